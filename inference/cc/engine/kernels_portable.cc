#define KERNELS kernels_portable
#define KERNELS_NAME "portable"
#define NATIVE 4
#define REGISTERS 16
#include "engine/kernels.inc"
