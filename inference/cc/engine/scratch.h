// Memory of one thread that is used again and again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace etagger {

// Floats at a multiple of 64 bytes. What was in them is lost when they grow.
class Floats {
 public:
  float* room(size_t count) {
    if (size_ >= count) return data();
    size_t grown = (count + count / 4 + 15) / 16 * 16;
    data_.reset(static_cast<float*>(std::aligned_alloc(64, grown * sizeof(float))));
    size_ = data_ ? grown : 0;
    if (!data_) throw std::bad_alloc();
    return data();
  }
  float* data() { return data_.get(); }
  void release() { data_.reset(), size_ = 0; }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
  size_t size_ = 0;
};

}  // namespace etagger
