#define KERNELS kernels_portable
#define KERNELS_NAME "portable"
#define NATIVE 4
#include "kernels.inc"
