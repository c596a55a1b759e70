#define KERNELS kernels_avx512
#define KERNELS_NAME "avx512"
#define NATIVE 16
#define REGISTERS 32
#include "engine/kernels.inc"
