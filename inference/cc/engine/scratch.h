// Memory of one thread that is used again and again.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace etagger {

// Floats at the beginning of a page, straight from the system: what is released is given back,
// however many threads there are. What was in them is lost when they grow.
class Floats {
 public:
  Floats() = default;
  ~Floats() { release(); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  // Throws std::bad_alloc.
  float* room(size_t count) {
    if (size_ >= count) return data_;
    release();
    size_t grown = count + count / 4;
    void* data = mmap(nullptr, grown * sizeof(float), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<float*>(data);
    size_ = grown;
    return data_;
  }
  float* data() { return data_; }
  void release() {
    if (data_) munmap(data_, size_ * sizeof(float));
    data_ = nullptr;
    size_ = 0;
  }

 private:
  float* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace etagger
