#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace etagger {

size_t thread_count(int threads) {
  // Asked once: the system answers by a file, which takes longer than a short sentence.
  static const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  return threads > 0 ? std::min(static_cast<size_t>(threads), std::max<size_t>(cores, 256)) : cores;
}

void run_parts(size_t parts, size_t threads, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  auto run = [&] {
    for (size_t part; (part = next++) < parts;) {
      try {
        work(part);
      } catch (...) {
        next = parts;
        std::lock_guard<std::mutex> lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  };
  size_t wanted = std::min(threads, parts);
  std::vector<std::thread> helpers;
  helpers.reserve(wanted);
  try {
    while (helpers.size() + 1 < wanted) helpers.emplace_back(run);
  } catch (const std::system_error&) {
    // No more threads to be had: those that there are do it.
  }
  run();
  for (std::thread& helper : helpers) helper.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace etagger
