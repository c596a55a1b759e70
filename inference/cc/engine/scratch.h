// Memory of one thread that is used again and again.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace etagger {

// Numbers at the beginning of a page, straight from the system: what is released is given back,
// however many threads there are. What was in them is lost when they grow.
template <class Number>
class Room {
 public:
  Room() = default;
  ~Room() { release(); }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  // Throws std::bad_alloc.
  Number* room(size_t count) {
    if (size_ >= count) return data_;
    release();
    size_t grown = count + count / 4;
    void* data = mmap(nullptr, grown * sizeof(Number), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<Number*>(data);
    size_ = grown;
    return data_;
  }
  Number* data() { return data_; }
  void release() {
    if (data_) munmap(data_, size_ * sizeof(Number));
    data_ = nullptr;
    size_ = 0;
  }

 private:
  Number* data_ = nullptr;
  size_t size_ = 0;
};

using Floats = Room<float>;
using Doubles = Room<double>;

}  // namespace etagger
