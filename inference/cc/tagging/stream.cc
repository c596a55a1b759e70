#include "tagging/stream.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "tagging/html.h"
#include "tagging/job.h"
#include "tagging/job_pool.h"
#include "tagging/run_tagger.h"
#include "text/documents.h"

namespace etagger {
namespace {

// Bytes taken from the input at a time; the sentences that they complete are tagged together.
constexpr size_t kReadSize = 1 << 17;
constexpr size_t kSmall = 1 << 12;  // bytes that are not worth another thread
constexpr size_t kHead = 4096;      // bytes that tell the encoding

// Reads, and gives each run to the pool, or tags it at once where that is as good.
class Stream {
 public:
  Stream(const Tagger& tagger, const StreamOptions& options, Source* input, Sink* output)
      : options_(options),
        documents_(tagger.settings().context_words(), parser_for(tagger, options, input->name())),
        input_(input),
        output_(output),
        settings_(tagger.settings()),
        tagger_(tagger, options, input->name()) {}

  StreamReport tag() {
    RunReader reader(options_.lines, input_->name());
    Run run;
    std::exception_ptr error;
    try {
      while (size_t size = read(reader.room(kReadSize))) {
        const bool is_whole = reader.feed(size, &run);
        if (reader.take_mark() && !options_.json && !options_.html)
          output_->write(kByteOrderMark);  // JSON must have none, and of a page it is no text
        if (is_whole && documents_.feed(&run)) take(std::move(run));
      }
      run = reader.close();
    } catch (const LongLine&) {
      error = std::current_exception();
      run = Run();
    }
    documents_.close(&run);
    take(std::move(run));
    if (pool_) pool_->finish();
    if (error) std::rethrow_exception(error);
    if (options_.html) end_page();
    return report_;
  }

 private:
  size_t read(char* to) {
    if (pool_ && !input_->wait(pool_->wake())) pool_->finish();  // throws
    const size_t size = input_->read(to, kReadSize);
    if (head_.size() < kHead) {
      head_.append(to, std::min(size, kHead));
      check_encoding(head_, input_->name());
    }
    return size;
  }

  void take(Run run) {
    auto job = std::make_unique<Job>();
    job->run = std::move(run);
    if (tagger_.needs_first()) {
      tagger_.tag_first(job.get());
      write(job.get());
      return;
    }
    bool is_small = job->run.text.size() < kSmall;
    if (pool_ && is_small) pool_->finish();
    if (is_small || options_.threads <= 1) {
      tagger_.tag(job.get());
      write(job.get());
      return;
    }
    if (!pool_)
      pool_ = std::make_unique<JobPool>(
          options_.threads, [this](Job* taken) { tagger_.tag(taken); },
          [this](Job* done) { write(done); });
    pool_->submit(std::move(job));
  }

  // The head of a page comes with its first sentence.
  void begin_page() {
    if (!is_page_begun_) output_->write(html_head(settings_.types()));
    is_page_begun_ = true;
  }

  void end_page() {
    begin_page();
    output_->write(html_foot());
  }

  void write(Job* job) {
    if (options_.html && !job->out.empty()) begin_page();
    output_->write(job->out);
    report_.sentences += job->sentences;
    report_.tokens += job->tokens;
    report_.bad_bytes += job->bad_bytes;
    report_.pieces += job->pieces;
    for (const Timing& timing : job->timings) {
      report_.seconds += timing.seconds;
      report_.waits.add(timing.seconds, timing.sentences);
    }
    if (job->error) std::rethrow_exception(job->error);
  }

  const StreamOptions& options_;
  DocumentReader documents_;
  std::string head_;  // the first bytes of the input
  Source* input_;
  Sink* output_;
  const Settings& settings_;
  bool is_page_begun_ = false;
  RunTagger tagger_;
  StreamReport report_;
  std::unique_ptr<JobPool> pool_;
};

}  // namespace

StreamReport tag_stream(const Tagger& tagger, const StreamOptions& options, Source* input,
                        Sink* output) {
  return Stream(tagger, options, input, output).tag();
}

}  // namespace etagger
