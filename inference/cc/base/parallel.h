// Work in parts, on several threads.
#pragma once

#include <cstddef>
#include <functional>

namespace etagger {

// How many threads `threads` stands for: 0 is one for each core; 256 at most, or as many as there
// are cores.
size_t thread_count(int threads);

// Runs work(0) ... work(parts - 1), each once, on up to `threads` threads, of which the caller's is
// one. Where parts throw, the first exception is thrown here once all threads are done; parts that
// were not begun by then are left out.
void run_parts(size_t parts, size_t threads, const std::function<void(size_t)>& work);

}  // namespace etagger
