// Ends a long call from another thread.
#pragma once

#include "base/error.h"

namespace etagger {

// A flag of the caller's. Once it is not 0, work that was given it ends soon.
class Stop {
 public:
  Stop() = default;  // none
  explicit Stop(const int* flag) : flag_(flag) {}

  bool is_given() const { return flag_ != nullptr; }
  void check() const {  // throws Error
    if (flag_ && __atomic_load_n(flag_, __ATOMIC_ACQUIRE))
      throw Error("stopped, as the caller asked for");
  }

 private:
  const int* flag_ = nullptr;
};

}  // namespace etagger
