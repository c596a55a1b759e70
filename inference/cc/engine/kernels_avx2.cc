#define KERNELS kernels_avx2
#define KERNELS_NAME "avx2"
#define NATIVE 8
#define REGISTERS 16
#include "engine/kernels.inc"
