#include "etagger.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "base/error.h"
#include "base/parallel.h"
#include "tagging/scheme.h"
#include "base/stop.h"
#include "tagging/stream.h"
#include "tagging/tagger.h"
#include "tagging/texts.h"
#include "base/utf8.h"
#include "base/version.h"

struct etagger_model {
  explicit etagger_model(std::unique_ptr<etagger::Tagger> opened)
      : tagger(std::move(opened)),
        converter(tagger->settings().tags, tagger->settings().tag_scheme,
                  tagger->settings().data_scheme),
        tags(converter.tags()),
        types(tagger->settings().types()),
        missing_of_text(tagger->settings().missing_columns(false, false, "the call")),
        fingerprint(tagger->fingerprint()) {}

  std::unique_ptr<etagger::Tagger> tagger;
  etagger::TagConverter converter;
  std::vector<std::string_view> tags;  // of the converter
  std::vector<std::string> types;
  std::string missing_of_text;  // what etagger_warning() says of every text
  std::string fingerprint;
};

struct etagger_result {
  std::vector<etagger_entity> entities;
  std::vector<size_t> tokens;         // of each text
  std::vector<double> probabilities;  // of readings
};

namespace {

using etagger::Error;
using etagger::Sentence;

constexpr size_t kBatchSize = 64;     // sentences
constexpr size_t kMostTokens = 4096;  // of a part that a thread takes at a time
constexpr size_t kLeastTokens = 512;  // less is not worth a thread

// Mutable, one for each thread, because the C interface says so: etagger_error(), etagger_warning()
// and etagger_stop_at() are about the calls of the thread that asks, and have no other argument.
thread_local std::string last_error, last_warning;
thread_local etagger::Stop stop;

// Runs `action`; an exception becomes last_error and `failed`. Nothing is thrown into C.
template <class Result, class Action>
Result guarded(Result failed, Action action) {
  try {
    return action();
  } catch (const std::bad_alloc&) {
    last_error = "out of memory";
  } catch (const std::exception& error) {
    last_error = etagger::printable(error.what());
  } catch (const etagger::ReaderGone&) {
    last_error = "the reader of the output went away";
  }
  return failed;
}

// The arguments of etagger_tag_sentences.
struct Request {
  const etagger_model* model;
  const char *const *words, *const *pos, *const *chunks;
  const size_t* lengths;
  size_t sentences;
  const char** tags;
  etagger::Stop stop;
};

// Sentences begin to end - 1, of which the first begins at word `word`.
struct Part {
  size_t begin, end, word;
};

// Throws Error where they are none.
void check_model(const etagger_model* model, int threads) {
  if (!model)
    throw Error("the model is NULL; etagger_open could not open it, or it was not asked to");
  if (threads < 0) throw Error("threads " + std::to_string(threads) + ": expected 0 or more");
}

// Throws Error for what is not there.
void check(const Request& request, int threads) {
  check_model(request.model, threads);
  if (request.sentences && !request.lengths)
    throw Error("lengths is NULL, expected the number of words of each sentence");
  size_t word = 0;
  for (size_t i = 0; i < request.sentences; ++i) {
    for (size_t k = 0; k < request.lengths[i]; ++k, ++word) {
      if (!request.words || !request.tags)
        throw Error(std::string(request.words ? "tags" : "words") + " is NULL, expected an array");
      const char *text = request.words[word], *problem = nullptr;
      if (!text)
        problem = " is NULL, expected text";
      else if (!*text)
        problem = " is empty, expected text; leave it out";
      else if (request.pos && !request.pos[word])
        problem = " has NULL as pos, expected text";
      else if (request.chunks && !request.chunks[word])
        problem = " has NULL as chunk, expected text";
      if (problem)
        throw Error("word " + std::to_string(k + 1) + " of sentence " + std::to_string(i + 1) +
                    problem);
    }
  }
}

// Cuts the sentences into parts for `threads` threads: several for each, so that none waits long
// for another.
std::vector<Part> parts_of(const Request& request, size_t threads) {
  size_t total = std::accumulate(request.lengths, request.lengths + request.sentences, size_t{0});
  size_t most = std::clamp(total / (4 * threads), kLeastTokens, kMostTokens);
  std::vector<Part> parts;
  size_t word = 0, tokens = most;
  for (size_t i = 0; i < request.sentences; ++i) {
    if (tokens >= most) {
      parts.push_back({i, i, word});
      tokens = 0;
    }
    parts.back().end = i + 1;
    word += request.lengths[i];
    tokens += request.lengths[i];
  }
  return parts;
}

Sentence sentence_at(const Request& request, size_t word, size_t length) {
  Sentence sentence;
  auto fill = [&](const char* const* from, std::vector<std::string_view>* to) {
    if (from) to->assign(from + word, from + word + length);
  };
  fill(request.words, &sentence.words);
  fill(request.pos, &sentence.pos);
  fill(request.chunks, &sentence.chunks);
  sentence.has_pos = request.pos != nullptr;
  sentence.has_chunks = request.chunks != nullptr;
  return sentence;
}

// The part, and before and after it as many sentences as its tags may depend on.
Part with_context(const Request& request, Part part) {
  const size_t most = request.model->tagger->settings().context_words();
  for (size_t words = 0; part.begin > 0 && words < most;) {
    --part.begin;
    words += request.lengths[part.begin];
  }
  for (size_t words = 0; part.end < request.sentences && words < most;) {
    words += request.lengths[part.end];
    ++part.end;
  }
  return part;
}

// What is left of a request that has nothing but -DOCSTART- needs no columns.
void warn_of_missing(const Request& request) {
  const etagger::Settings& settings = request.model->tagger->settings();
  std::string missing = settings.missing_columns(request.pos, request.chunks, "the call");
  if (missing.empty()) return;
  const char* const* word = request.words;
  for (size_t i = 0; i < request.sentences; ++i) {
    const size_t length = request.lengths[i];
    if (length && !(length == 1 && *word == etagger::kDocstart)) {
      last_warning = missing;
      return;
    }
    word += length;
  }
}

// Whole strings of the model, which end in NUL. Returns where the next ones go.
const char** put(const std::vector<std::string_view>& tags, const char** to) {
  return std::transform(tags.begin(), tags.end(), to,
                        [](std::string_view tag) { return tag.data(); });
}

void tag_part(const Request& request, const Part& part) {
  const Part wide = with_context(request, part);
  size_t word = part.word - std::accumulate(request.lengths + wide.begin,
                                            request.lengths + part.begin, size_t{0});
  std::vector<Sentence> sentences;
  size_t first = 0, count = 0;  // those of the part among them
  for (size_t i = wide.begin; i < wide.end; ++i) {
    const size_t length = request.lengths[i];
    if (!length) continue;
    sentences.push_back(sentence_at(request, word, length));
    word += length;
    if (i < part.begin)
      ++first;
    else if (i < part.end)
      ++count;
  }
  const char** to = request.tags + part.word;
  const etagger::Tags tags =
      request.model->tagger->tag(sentences, first, count, kBatchSize, nullptr, request.stop);
  for (const std::vector<std::string_view>& of_sentence : tags) to = put(of_sentence, to);
}

// What a call about one sentence begins with: checks its arguments. results: arrays of the caller;
// of_words: those that nothing is written to where there is no word.
std::vector<Sentence> only_sentence(const Request& request,
                                    std::initializer_list<const void*> results,
                                    std::initializer_list<const void*> of_words = {}) {
  last_warning.clear();
  check(request, 1);
  auto lacks_one = [](std::initializer_list<const void*> arrays) {
    return std::find(arrays.begin(), arrays.end(), nullptr) != arrays.end();
  };
  if (lacks_one(results) || (request.lengths[0] && lacks_one(of_words)))
    throw Error("an array for results is NULL");
  warn_of_missing(request);
  return {sentence_at(request, 0, request.lengths[0])};
}

int tag_all(const Request& request, int threads) {
  last_warning.clear();
  check(request, threads);
  warn_of_missing(request);
  const size_t most = etagger::thread_count(threads);
  const std::vector<Part> parts = parts_of(request, most);
  etagger::run_parts(parts.size(), most, [&](size_t i) { tag_part(request, parts[i]); });
  return 0;
}

// The `count` texts in `joined`, each with its NUL. Throws Error where there are more or fewer.
std::vector<const char*> texts_in(const char* joined, size_t size, size_t count) {
  std::vector<const char*> texts;
  texts.reserve(count);
  const char* const end = joined + size;
  while (joined < end && texts.size() <= count) {
    texts.push_back(joined);
    const void* nul = std::memchr(joined, 0, static_cast<size_t>(end - joined));
    if (!nul) throw Error("the last of the joined texts has no NUL");
    joined = static_cast<const char*>(nul) + 1;
  }
  if (texts.size() != count)
    throw Error("the joined texts are not " + std::to_string(count) +
                ", as many as lengths and columns say");
  return texts;
}

// ---------------------------------------------------------------- texts

etagger::TextOptions text_options(unsigned flags, int threads) {
  constexpr unsigned kAll = ETAGGER_SPLIT | ETAGGER_SCORES | ETAGGER_UTF16 | ETAGGER_BYTES;
  constexpr unsigned kUnits = ETAGGER_UTF16 | ETAGGER_BYTES;
  if (flags & ~kAll || (flags & kUnits) == kUnits)
    throw Error("flags " + std::to_string(flags) +
                ": expected a sum of ETAGGER_SPLIT, ETAGGER_SCORES and one of ETAGGER_UTF16 and "
                "ETAGGER_BYTES");
  etagger::TextOptions options;
  options.split = flags & ETAGGER_SPLIT;
  options.scores = flags & ETAGGER_SCORES;
  if (flags & ETAGGER_UTF16) options.offsets = etagger::Offsets::kUtf16;
  if (flags & ETAGGER_BYTES) options.offsets = etagger::Offsets::kBytes;
  options.threads = etagger::thread_count(threads);
  options.stop = stop;
  return options;
}

etagger::TextsFound find_entities(const etagger_model* model, const char* const* texts,
                                  const size_t* sizes, size_t count, unsigned flags, int threads) {
  last_warning.clear();
  check_model(model, threads);
  const etagger::TextOptions options = text_options(flags, threads);
  if (count && (!texts || !sizes)) throw Error("texts or sizes is NULL, expected an array");
  std::vector<std::string_view> views;
  views.reserve(count);
  bool has_text = false;
  for (size_t i = 0; i < count; ++i) {
    if (sizes[i] && !texts[i])
      throw Error("text " + std::to_string(i + 1) + " is NULL, expected " +
                  std::to_string(sizes[i]) + " bytes");
    views.emplace_back(texts[i], sizes[i]);
    has_text = has_text || sizes[i];
  }
  if (has_text) last_warning = model->missing_of_text;
  return etagger::tag_texts(*model->tagger, views, options);
}

etagger_entity entity_of(const etagger::TextEntity& found) {
  return {found.type.data(), found.start, found.end, found.first_byte,
          found.end_byte,    found.score, found.text};
}

std::unique_ptr<etagger_result> result_of(etagger::TextsFound found) {
  auto result = std::make_unique<etagger_result>();
  result->entities.reserve(found.entities.size());
  for (const etagger::TextEntity& entity : found.entities)
    result->entities.push_back(entity_of(entity));
  result->tokens = std::move(found.tokens);
  return result;
}

etagger_model* open(const char* path, bool trust) {
  return guarded<etagger_model*>(nullptr, [&] {
    if (!path) throw Error("the path is NULL, expected that of an .etagger file");
    struct stat about;
    bool is_folder = stat(path, &about) == 0 && S_ISDIR(about.st_mode);
    return new etagger_model(is_folder ? etagger::open_folder_tagger(path, trust)
                                       : etagger::open_engine(path));
  });
}

}  // namespace

etagger_model* etagger_open(const char* path) {
  return open(path, false);
}

etagger_model* etagger_open_trusted(const char* path) {
  return open(path, true);
}

int etagger_tag(const etagger_model* model, const char* const* words, const char* const* pos,
                const char* const* chunks, size_t count, const char** tags) {
  return etagger_tag_sentences(model, words, pos, chunks, &count, 1, 1, tags);
}

int etagger_tag_sentences(const etagger_model* model, const char* const* words,
                          const char* const* pos, const char* const* chunks, const size_t* lengths,
                          size_t sentences, int threads, const char** tags) {
  return guarded(-1, [&] {
    return tag_all({model, words, pos, chunks, lengths, sentences, tags, stop}, threads);
  });
}

int etagger_tag_joined(const etagger_model* model, const char* joined, size_t size, int has_pos,
                       int has_chunks, const size_t* lengths, size_t sentences, int threads,
                       const char** tags) {
  return guarded(-1, [&] {
    if (!joined || (sentences && !lengths))
      throw Error(std::string(joined ? "lengths" : "joined") + " is NULL, expected an array");
    const size_t words = std::accumulate(lengths, lengths + sentences, size_t{0});
    const size_t columns = 1u + (has_pos != 0) + (has_chunks != 0);
    const std::vector<const char*> texts = texts_in(joined, size, words * columns);
    const char* const* pos = has_pos ? texts.data() + words : nullptr;
    const char* const* chunks = has_chunks ? texts.data() + words * (columns - 1) : nullptr;
    return tag_all({model, texts.data(), pos, chunks, lengths, sentences, tags, stop}, threads);
  });
}

etagger_result* etagger_tag_texts(const etagger_model* model, const char* const* texts,
                                  const size_t* sizes, size_t count, unsigned flags, int threads) {
  return guarded<etagger_result*>(nullptr, [&] {
    return result_of(find_entities(model, texts, sizes, count, flags, threads)).release();
  });
}

etagger_result* etagger_tag_text(const etagger_model* model, const char* text, size_t size,
                                 unsigned flags) {
  return etagger_tag_texts(model, &text, &size, 1, flags, 1);
}

long etagger_tag_text_into(const etagger_model* model, const char* text, size_t size,
                           unsigned flags, etagger_entity* entities, size_t room,
                           etagger_result** result, size_t* tokens) {
  return guarded(-1L, [&] {
    if (!result || (room && !entities))
      throw Error(std::string(result ? "entities" : "result") + " is NULL, expected a place");
    *result = nullptr;
    etagger::TextsFound found = find_entities(model, &text, &size, 1, flags, 1);
    const size_t count = found.entities.size();
    std::transform(found.entities.begin(),
                   found.entities.begin() + static_cast<long>(std::min(room, count)), entities,
                   entity_of);
    if (tokens) *tokens = found.tokens[0];
    if (count > room) *result = result_of(std::move(found)).release();
    return static_cast<long>(count);
  });
}

const etagger_entity* etagger_entities(const etagger_result* result, size_t* count) {
  if (count) *count = result ? result->entities.size() : 0;
  return result ? result->entities.data() : nullptr;
}

etagger_result* etagger_nbest_text(const etagger_model* model, const char* text, size_t size,
                                   size_t count, unsigned flags) {
  return guarded<etagger_result*>(nullptr, [&] {
    last_warning.clear();
    check_model(model, 0);
    const etagger::TextOptions options = text_options(flags, 1);
    if (options.split || options.scores)
      throw Error("flags " + std::to_string(flags) +
                  ": expected 0, ETAGGER_UTF16 or ETAGGER_BYTES");
    if (count < 1 || count > etagger::kMostReadings)
      throw Error("count " + std::to_string(count) + ": expected 1 to " +
                  etagger::with_commas(etagger::kMostReadings));
    if (size && !text) throw Error("text is NULL, expected " + std::to_string(size) + " bytes");
    if (size) last_warning = model->missing_of_text;
    auto result = std::make_unique<etagger_result>();
    const etagger::TextReadings found =
        etagger::nbest_text(*model->tagger, {text, size}, count, options.offsets, stop);
    result->tokens = {found.tokens};
    for (const etagger::TextReading& reading : found.readings) {
      for (etagger::TextEntity entity : reading.entities) {
        entity.text = result->probabilities.size();
        result->entities.push_back(entity_of(entity));
      }
      result->probabilities.push_back(reading.probability);
    }
    return result.release();
  });
}

const size_t* etagger_tokens(const etagger_result* result, size_t* count) {
  if (count) *count = result ? result->tokens.size() : 0;
  return result ? result->tokens.data() : nullptr;
}

const double* etagger_probabilities(const etagger_result* result, size_t* count) {
  const bool has_any = result && !result->probabilities.empty();
  if (count) *count = has_any ? result->probabilities.size() : 0;
  return has_any ? result->probabilities.data() : nullptr;
}

void etagger_free(etagger_result* result) {
  delete result;
}

int etagger_tag_file(const etagger_model* model, const char* input, const char* output,
                     const char* columns, int threads) {
  return etagger_tag_columns(model, input, output, columns, nullptr, threads);
}

int etagger_tag_columns(const etagger_model* model, const char* input, const char* output,
                        const char* columns, const char* delimiter, int threads) {
  return guarded(-1, [&] {
    last_warning.clear();
    check_model(model, threads);
    etagger::StreamOptions options;
    options.delimiter = etagger::parse_delimiter(delimiter ? delimiter : "");
    options.stop = stop;
    options.warn = [](const std::string& text) { last_warning = etagger::printable(text); };
    if (columns) options.columns = etagger::parse_columns(columns, options.delimiter);
    options.batch_size = kBatchSize;
    options.threads = etagger::thread_count(threads);
    etagger::Source source(input ? input : "", stop);
    etagger::Sink sink(output ? output : "", stop);
    etagger::tag_stream(*model->tagger, options, &source, &sink);
    sink.finish();
    return 0;
  });
}

int etagger_confident(const etagger_model* model, const char* const* words, const char* const* pos,
                      const char* const* chunks, size_t count, double temperature,
                      const char** tags, double* probabilities, etagger_span* entities,
                      size_t* found) {
  return guarded(-1, [&] {
    const std::vector<Sentence> sentence = only_sentence(
        {model, words, pos, chunks, &count, 1, tags, stop}, {found}, {probabilities, entities});
    const etagger::Confident of =
        model->tagger->confident(sentence, 0, 1, 1, temperature, nullptr, stop)[0];
    put(of.tags, tags);
    std::copy(of.probabilities.begin(), of.probabilities.end(), probabilities);
    *found = of.entities.size();
    for (const etagger::ScoredEntity& entity : of.entities)
      *entities++ = {entity.type.data(), entity.start, entity.end, entity.score};
    return 0;
  });
}

int etagger_nbest(const etagger_model* model, const char* const* words, const char* const* pos,
                  const char* const* chunks, size_t count, size_t n, double temperature,
                  const char** tags, double* probabilities, size_t* found) {
  return guarded(-1, [&] {
    const std::vector<Sentence> sentence =
        only_sentence({model, words, pos, chunks, &count, 1, tags, stop}, {probabilities, found});
    const etagger::Readings readings =
        model->tagger->nbest(sentence, 0, 1, n, 1, temperature, nullptr, stop)[0];
    *found = readings.size();
    for (const etagger::Reading& reading : readings) {
      *probabilities++ = reading.probability;
      tags = put(reading.tags, tags);
    }
    return 0;
  });
}

void etagger_stop_at(const int* flag) {
  stop = etagger::Stop(flag);
}

void etagger_split(const char* joined, size_t count, const char** texts) {
  for (size_t i = 0; i < count; ++i) {
    texts[i] = joined;
    joined += std::strlen(joined) + 1;
  }
}

size_t etagger_tag_count(const etagger_model* model) {
  return model ? model->tags.size() : 0;
}

const char* etagger_tag_name(const etagger_model* model, size_t index) {
  return index < etagger_tag_count(model) ? model->tags[index].data() : nullptr;
}

size_t etagger_type_count(const etagger_model* model) {
  return model ? model->types.size() : 0;
}

const char* etagger_type_name(const etagger_model* model, size_t index) {
  return index < etagger_type_count(model) ? model->types[index].c_str() : nullptr;
}

const char* etagger_tokenizer(const etagger_model* model) {
  if (!model) return nullptr;
  return model->tagger->settings().tokenizer == etagger::Tokenizer::kWords ? "words" : "characters";
}

int etagger_uses(const etagger_model* model, const char* column) {
  if (!model || !column) return 0;
  std::string_view name = column;
  const etagger::Settings& settings = model->tagger->settings();
  return name == "word" || (name == "pos" && settings.has(etagger::Feature::kPos)) ||
         (name == "chunk" && settings.has(etagger::Feature::kChunk));
}

const char* etagger_fingerprint(const etagger_model* model) {
  return model ? model->fingerprint.c_str() : nullptr;
}

void etagger_close(etagger_model* model) {
  delete model;
}

const char* etagger_error(void) {
  return last_error.c_str();
}

const char* etagger_warning(void) {
  return last_warning.c_str();
}

const char* etagger_version(void) {
  return etagger::kVersion;
}
