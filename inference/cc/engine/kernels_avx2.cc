#define KERNELS kernels_avx2
#define KERNELS_NAME "avx2"
#define NATIVE 8
#include "kernels.inc"
