#include "tagging/job_pool.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"

namespace etagger {

JobPool::JobPool(size_t threads, std::function<void(Job*)> process, std::function<void(Job*)> write)
    : process_(std::move(process)),
      write_(std::move(write)),
      most_(2 * threads),
      wake_(above_standard(eventfd(0, EFD_CLOEXEC))) {
  if (wake_ < 0) throw Error("no file descriptor is left");
  threads_.reserve(threads);
  try {
    while (threads_.size() < threads) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (!threads_.empty()) return;  // those that could be started do the work
    close(wake_);
    throw Error("no thread can be started; try -j 1");
  }
}

JobPool::~JobPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_closed_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  close(wake_);
}

void JobPool::submit(std::unique_ptr<Job> job) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return error_ || order_.size() < most_; });
  rethrow();
  waiting_.push_back(job.get());
  order_.push_back(std::move(job));
  changed_.notify_all();
}

void JobPool::finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return error_ || (order_.empty() && !is_writing_); });
  rethrow();
}

void JobPool::rethrow() const {
  if (error_) std::rethrow_exception(error_);
}

// What each thread runs.
void JobPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Job* job = waiting_.front();
    waiting_.pop_front();
    lock.unlock();
    try {
      process_(job);
    } catch (...) {
      job->error = std::current_exception();
    }
    lock.lock();
    job->is_done = true;
    write_what_is_done(&lock);
  }
}

// Writes the jobs that are done and next in order, unless another thread does. Does not hold the
// lock while it writes.
void JobPool::write_what_is_done(std::unique_lock<std::mutex>* lock) {
  if (is_writing_) return;
  is_writing_ = true;
  while (!error_ && !order_.empty() && order_.front()->is_done) {
    std::unique_ptr<Job> job = std::move(order_.front());
    order_.pop_front();
    lock->unlock();
    std::exception_ptr error;
    try {
      write_(job.get());
    } catch (...) {
      error = std::current_exception();
    }
    lock->lock();
    if (error) fail(error);
    changed_.notify_all();
  }
  is_writing_ = false;
  changed_.notify_all();
}

// Ends the writing, and wakes the owner where it waits for the input.
void JobPool::fail(std::exception_ptr error) {
  error_ = error;
  waiting_.clear();
  uint64_t one = 1;
  [[maybe_unused]] ssize_t written = ::write(wake_, &one, sizeof one);
}

}  // namespace etagger
