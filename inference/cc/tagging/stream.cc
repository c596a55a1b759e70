#include "tagging/stream.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "text/columns.h"
#include "tagging/entities.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/tokenizer.h"

namespace etagger {
namespace {

constexpr size_t kReadSize = 1 << 17;  // bytes taken from the input at a time; the sentences that
                                       // they complete are tagged together
constexpr size_t kSmall = 1 << 12;     // bytes that are not worth another thread

// Some sentences on their way.
struct Job {
  Run run;
  std::string out;
  size_t sentences = 0, tokens = 0, bad_bytes = 0, pieces = 0;
  std::vector<Timing> timings;
  std::exception_ptr error;  // behind `out`
  bool is_done = false;
};

using Tags = std::vector<std::vector<std::string_view>>;

// What a run holds.
struct Text {
  std::vector<Block>
      blocks;  // columns: a block each sentence, and those that are a blank line alone
  std::vector<std::string_view> lines;  // or text: a line each sentence
  std::vector<size_t> line_pieces;      // of each line: its sentences; one, unless it is too long
  std::vector<Sentence> sentences;      // those around it included
  Around around;

  const Sentence* begin() const { return sentences.data() + around.before; }  // its own sentences
  size_t count() const { return sentences.size() - around.before - around.behind; }
};

// Returns whether it is a sentence.
bool read_block(Block* block, SentenceParser* parser, Text* text) {
  if (block->rows.empty()) return false;
  Sentence sentence = parser->parse(block);
  if (sentence.words.empty()) return false;
  text->sentences.push_back(std::move(sentence));
  return true;
}

// A bad row throws Error; the sentences before it are in `text`. bad: the number of bytes that are
// not UTF-8 is added.
void read_columns(const Run& run, SentenceParser* parser, Text* text, size_t* bad) {
  std::vector<Block> blocks = blocks_of(run);
  for (size_t i = 0; i < run.before; ++i)
    text->around.before += read_block(&blocks[i], parser, text);
  parser->take_bad_bytes();
  for (size_t i = run.before; i < blocks.size() - run.behind; ++i) {
    read_block(&blocks[i], parser, text);
    text->blocks.push_back(std::move(blocks[i]));
  }
  *bad += parser->take_bad_bytes();
  try {
    for (size_t i = blocks.size() - run.behind; i < blocks.size(); ++i)
      text->around.behind += read_block(&blocks[i], parser, text);
  } catch (const Error&) {
    // A bad row behind it ends what is known; it is told of once it comes to its own sentence.
  }
  parser->take_bad_bytes();
}

// A sentence, or several where it has more words than a sentence goes.
void add_line(std::string_view line, Text* text) {
  const std::vector<std::string_view> words = tokenize(line);
  size_t pieces = 0;
  do {
    auto begin = words.begin() + static_cast<std::ptrdiff_t>(kMostRows * pieces);
    Sentence sentence;
    sentence.words.assign(begin, begin + std::min<std::ptrdiff_t>(kMostRows, words.end() - begin));
    text->sentences.push_back(std::move(sentence));
  } while (++pieces * kMostRows < words.size());
  text->lines.push_back(line);
  text->line_pieces.push_back(pieces);
}

void read_lines(const Run& run, Text* text, size_t* bad) {
  std::string_view all = run.text;
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find('\n', at), all.size());
    std::string_view line = all.substr(at, end - at);
    at = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    add_line(line, text);
    *bad += bad_bytes(line);
  }
}

// Makes one sentence of each line again, once its pieces are tagged.
void join_pieces(Text* text, Tags* tags) {
  if (text->line_pieces.size() == text->sentences.size()) return;
  std::vector<Sentence> sentences;
  Tags joined;
  size_t next = 0;
  for (size_t pieces : text->line_pieces) {
    sentences.push_back(std::move(text->sentences[next]));
    joined.push_back(std::move((*tags)[next]));
    for (size_t end = next + pieces; ++next < end;) {
      const std::vector<std::string_view>& words = text->sentences[next].words;
      sentences.back().words.insert(sentences.back().words.end(), words.begin(), words.end());
      joined.back().insert(joined.back().end(), (*tags)[next].begin(), (*tags)[next].end());
    }
  }
  text->sentences = std::move(sentences);
  *tags = std::move(joined);
}

size_t count_pieces(const Text& text) {
  size_t pieces = 0;
  for (const Block& block : text.blocks) pieces += block.is_cut;
  for (size_t each : text.line_pieces) pieces += each - 1;
  return pieces;
}

void write_columns(const Text& text, const Tags& tags, std::string* out) {
  static const std::vector<std::string_view> none;
  size_t next = 0;
  for (const Block& block : text.blocks) block.write(block.tokens() ? tags[next++] : none, out);
}

// As line mode of inference.py writes them: word, POS, chunk and tag column, which are unknown, and
// the predicted tag.
void write_lines(const Text& text, const Tags& tags, std::string* out) {
  for (size_t i = 0; i < tags.size(); ++i) {
    for (size_t k = 0; k < tags[i].size(); ++k)
      out->append(text.sentences[i].words[k]).append(" O O O ").append(tags[i][k]).append("\n");
    out->append("\n");
  }
}

void write_json(const Text& text, const Tags& tags, const std::string& scheme, std::string* out) {
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::vector<std::string_view>& words = text.begin()[i].words;
    std::vector<Entity> found = entities(tags[i], scheme);
    if (text.lines.empty())
      append_json(words, found, out);
    else
      append_json(text.lines[i], words, found, out);
  }
}

bool is_real(const Sentence& sentence) {
  return !sentence.is_docstart() && !sentence.words.empty();
}

// Reads the input as the user says, or else the model.
SentenceParser parser_for(const Tagger& tagger, const StreamOptions& options,
                          const std::string& name) {
  const Settings& settings = tagger.settings();
  Delimiter delimiter =
      options.delimiter == Delimiter::kUnsaid ? settings.delimiter : options.delimiter;
  return SentenceParser(name, options.columns, settings.columns, delimiter);
}

// What is done with a run. Once the first one is done, threads may share it.
class Work {
 public:
  Work(const Tagger& tagger, const StreamOptions& options, const std::string& name)
      : tagger_(tagger), options_(options), parser_(parser_for(tagger, options, name)) {}

  // The first sentence, which pays for the start, is tagged alone: it is left out of the figures.
  void first(Job* job) { is_first_ = !process(job, &parser_, true); }

  void next(Job* job) const {
    SentenceParser parser = parser_;
    process(job, &parser, false);
  }

  bool is_first() const { return is_first_; }

 private:
  // Returns whether there is a sentence that the model was asked for.
  bool process(Job* job, SentenceParser* parser, bool is_first) const {
    Text text;
    try {
      if (options_.lines)
        read_lines(job->run, &text, &job->bad_bytes);
      else
        read_columns(job->run, parser, &text, &job->bad_bytes);
    } catch (const Error&) {
      job->error = std::current_exception();
    }
    const Sentence *begin = text.begin(), *end = begin + text.count(),
                   *real = std::find_if(begin, end, is_real);
    const bool has_real = real != end;
    size_t alone = 0;
    if (is_first && real != end) {
      warn(*real, *parser);
      alone = static_cast<size_t>(real - begin) + 1;
    }
    const size_t others = text.count() - alone, before = text.around.before,
                 behind = text.around.behind;
    Tags tags = tagger_.tag(begin, alone, options_.batch_size, nullptr, {before, others + behind},
                            options_.stop);
    Tags rest = tagger_.tag(begin + alone, others, options_.batch_size, &job->timings,
                            {before + alone, behind}, options_.stop);
    tags.insert(tags.end(), std::make_move_iterator(rest.begin()),
                std::make_move_iterator(rest.end()));
    job->pieces = count_pieces(text);
    if (options_.lines) join_pieces(&text, &tags);
    if (options_.json)
      write_json(text, tags, tagger_.settings().data_scheme, &job->out);
    else if (options_.lines)
      write_lines(text, tags, &job->out);
    else
      write_columns(text, tags, &job->out);
    for (size_t i = 0; i < text.count(); ++i) {
      job->sentences += !text.begin()[i].words.empty();
      job->tokens += text.begin()[i].words.size();
    }
    return has_real;
  }

  void warn(const Sentence& sentence, const SentenceParser& parser) const {
    if (!options_.warn) return;
    std::string missing =
        tagger_.settings().missing_columns(sentence.has_pos, sentence.has_chunks, parser.name());
    if (!missing.empty()) options_.warn(missing);
    auto has_space = [](std::string_view word) { return word.find(' ') != word.npos; };
    if (!options_.lines && parser.is_one_tabbed_column() &&
        std::any_of(sentence.words.begin(), sentence.words.end(), has_space))
      options_.warn(parser.name() +
                    " has no tabs: each row is one token, its spaces included; --delimiter space "
                    "reads columns that spaces separate");
  }

  const Tagger& tagger_;
  const StreamOptions& options_;
  SentenceParser parser_;
  bool is_first_ = true;
};

// Threads that work on jobs; what is done is written in order, by whichever thread finishes the
// next one.
class Pool {
 public:
  Pool(size_t threads, std::function<void(Job*)> process, std::function<void(Job*)> write)
      : process_(std::move(process)),
        write_(std::move(write)),
        most_(2 * threads),
        wake_(above_standard(eventfd(0, EFD_CLOEXEC))) {
    if (wake_ < 0) throw Error("no file descriptor is left");
    try {
      while (threads_.size() < threads) threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty())
        throw Error("no thread can be started; try -j 1");  // those that there are do it
    }
  }

  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      is_closed_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    for (std::thread& each : threads_) each.join();
    close(wake_);
  }

  // Waits while too many are on their way. Throws what a job or the writing threw.
  void submit(std::unique_ptr<Job> job) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return error_ || order_.size() < most_; });
    rethrow();
    waiting_.push_back(job.get());
    order_.push_back(std::move(job));
    changed_.notify_all();
  }

  // Waits until everything is written. Throws what a job or the writing threw.
  void finish() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return error_ || (order_.empty() && !is_writing_); });
    rethrow();
  }

  int wake() const { return wake_; }  // a file that can be read once something was thrown

 private:
  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

  void work() {
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

  void write_what_is_done(std::unique_lock<std::mutex>* lock) {
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

  void fail(std::exception_ptr error) {
    error_ = error;
    waiting_.clear();
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(wake_, &one, sizeof one);
  }

  std::function<void(Job*)> process_, write_;
  size_t most_;
  int wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job*> waiting_;                // for a thread
  std::deque<std::unique_ptr<Job>> order_;  // not yet written
  std::exception_ptr error_;
  bool is_closed_ = false, is_writing_ = false;
  std::vector<std::thread> threads_;
};

// Reads, and gives each run to the pool, or does it at once where that is as good.
class Stream {
 public:
  Stream(const Tagger& tagger, const StreamOptions& options, Source* input, Sink* output)
      : options_(options),
        documents_(tagger.settings().context_words(), parser_for(tagger, options, input->name())),
        input_(input),
        output_(output),
        work_(tagger, options, input->name()) {}

  StreamReport tag() {
    RunReader reader(options_.lines, input_->name());
    Run run;
    std::exception_ptr error;
    try {
      while (size_t size = read(reader.room(kReadSize))) {
        const bool is_whole = reader.feed(size, &run);
        if (reader.take_mark() && !options_.json) output_->write(kMark);  // JSON must have none
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
    if (work_.is_first()) {
      work_.first(job.get());
      return write(job.get());
    }
    bool is_small = job->run.text.size() < kSmall;
    if (pool_ && is_small) pool_->finish();
    if (is_small || options_.threads <= 1) {
      work_.next(job.get());
      return write(job.get());
    }
    if (!pool_)
      pool_ = std::make_unique<Pool>(
          options_.threads, [this](Job* each) { work_.next(each); },
          [this](Job* each) { write(each); });
    pool_->submit(std::move(job));
  }

  void write(Job* job) {
    output_->write(job->out);
    report_.sentences += job->sentences;
    report_.tokens += job->tokens;
    report_.bad_bytes += job->bad_bytes;
    report_.pieces += job->pieces;
    for (const Timing& each : job->timings) {
      report_.seconds += each.seconds;
      report_.waits.add(each.seconds, each.sentences);
    }
    if (job->error) std::rethrow_exception(job->error);
  }

  static constexpr size_t kHead = 4096;  // bytes that tell the encoding

  const StreamOptions& options_;
  DocumentReader documents_;
  std::string head_;  // the first bytes of the input
  Source* input_;
  Sink* output_;
  Work work_;
  StreamReport report_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace

void Durations::add(double seconds, size_t count) {
  double bucket = seconds > kLeast ? std::log(seconds / kLeast) / std::log(kStep) : 0;
  buckets_[std::min(static_cast<size_t>(bucket), buckets_.size() - 1)] += count;
  count_ += count;
}

double Durations::percentile(size_t percent) const {
  size_t rank = std::min(count_ - 1, count_ / 100 * percent + count_ % 100 * percent / 100),
         bucket = 0;
  for (size_t before = buckets_[0]; before <= rank; before += buckets_[bucket]) ++bucket;
  return kLeast * std::pow(kStep, static_cast<double>(bucket) + 0.5);
}

StreamReport tag_stream(const Tagger& tagger, const StreamOptions& options, Source* input,
                        Sink* output) {
  return Stream(tagger, options, input, output).tag();
}

}  // namespace etagger
