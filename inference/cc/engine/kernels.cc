#include "engine/kernels.h"

#include <string_view>

namespace etagger {

extern const Kernels kernels_portable;
#if defined(__x86_64__)
extern const Kernels kernels_avx2, kernels_avx512, kernels_avx512vbmi;
#elif defined(__aarch64__)
extern const Kernels kernels_neon;
#endif

const Kernels* kernels_for(const char* name) {
  std::string_view wanted = name;
  auto fits = [&](std::string_view known) { return wanted.empty() || wanted == known; };
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (fits("avx512vbmi") && has_avx512 && __builtin_cpu_supports("avx512vbmi"))
    return &kernels_avx512vbmi;
  if (fits("avx512") && has_avx512) return &kernels_avx512;
  if (fits("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &kernels_avx2;
#elif defined(__aarch64__)
  if (fits("neon")) return &kernels_neon;  // every such processor has it
#endif
  return fits("portable") ? &kernels_portable : nullptr;
}

}  // namespace etagger
