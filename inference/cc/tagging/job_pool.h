// Threads that work on jobs. What is done is written in order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tagging/job.h"

namespace etagger {

// submit() and finish() are for one thread, the owner's.
class JobPool {
 public:
  // process: what a thread does with a job; several run at the same time. write: what is done with
  // a job after that, in the order of submit(), by whichever thread finishes the next one. Throws
  // Error where no thread can be started.
  JobPool(size_t threads, std::function<void(Job*)> process, std::function<void(Job*)> write);
  ~JobPool();  // waits for the jobs that have begun, and leaves out the others
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  // Waits while too many jobs are not yet written. Throws what the writing of a job threw.
  void submit(std::unique_ptr<Job> job);

  // Waits until everything is written. Throws what the writing of a job threw.
  void finish();

  // A file that can be read once something was thrown.
  int wake() const { return wake_; }

 private:
  void rethrow() const;
  void work();
  void write_what_is_done(std::unique_lock<std::mutex>* lock);
  void fail(std::exception_ptr error);

  std::function<void(Job*)> process_, write_;
  size_t most_;  // jobs that are not yet written
  int wake_;
  std::mutex mutex_;  // of all that follows
  std::condition_variable changed_;
  std::deque<Job*> waiting_;                // for a thread
  std::deque<std::unique_ptr<Job>> order_;  // not yet written
  std::exception_ptr error_;
  bool is_closed_ = false, is_writing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace etagger
