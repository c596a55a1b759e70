#define KERNELS kernels_neon
#define KERNELS_NAME "neon"
#define NATIVE 4
#define REGISTERS 32
#include "engine/kernels.inc"
