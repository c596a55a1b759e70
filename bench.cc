#include <chrono>
#include <cstdio>
#include <vector>
#include <cstdlib>
#include "kernels.h"
namespace etagger { extern const Kernels kernels_avx512, kernels_avx2, kernels_portable; }
using namespace etagger;
int main(int argc,char**argv){
  size_t T=14,D=128,H=200,B=13;
  auto mk=[&](size_t n){float*p=(float*)aligned_alloc(64,(n*4+63)/64*64);for(size_t i=0;i<n;i++)p[i]=((rand()%2001)-1000)/1000.0f*0.1f;return p;};
  float*x=mk(T*D),*w=mk(2*B*D*64),*b=mk(2*B*64),*in=mk(T*2*B*64),*wr=mk(B*H*64),*wr2=mk(B*H*64),*h=mk(T*2*B*16),*c=mk(B*16);
  for(const Kernels*k:{&kernels_avx512,&kernels_avx2,&kernels_portable}){
    auto time=[&](auto f){double best=1e9;for(int i=0;i<200;i++){auto s=std::chrono::steady_clock::now();f();std::chrono::duration<double>d=std::chrono::steady_clock::now()-s;if(d.count()<best)best=d.count();}return best*1e6;};
    double d1=time([&]{k->dense(x,D,T,D,w,2*B,b,in,2*B*64);});
    double l=time([&]{k->lstm(in,T,false,H,B,wr,h,2*B*16,c);k->lstm(in,T,true,H,B,wr2,h+B*16,2*B*16,c);});
    printf("%s dense %.1f us (%.0f GF) lstm %.1f us (%.0f GF)\n",k->name,d1,T*D*2*B*64*2/d1/1e3,l,2*T*H*B*64*2/l/1e3);
  }
}
