#define KERNELS kernels_avx512vbmi
#define KERNELS_NAME "avx512vbmi"
#define NATIVE 16
#define REGISTERS 32
#include "engine/kernels.inc"
