#include "etagger.h"

#include <unistd.h>

#include <exception>
#include <memory>
#include <string>

#include "backend.h"
#include "error.h"
#include "tagger.h"
#include "version.h"

struct etagger_model {
  std::unique_ptr<etagger::Tagger> tagger;
};

namespace {

thread_local std::string last_error;

// Runs `action`; an exception becomes last_error and `failed`. Nothing is thrown into C.
template <class Result, class Action>
Result guarded(Result failed, Action action) {
  try {
    return action();
  } catch (const std::exception& error) {
    last_error = error.what();
    return failed;
  }
}

etagger::Sentence sentence_of(const char* const* words, const char* const* pos, const char* const* chunks, size_t count) {
  etagger::Sentence sentence;
  auto fill = [count](const char* const* from, std::vector<std::string_view>* to) {
    if (from) to->assign(from, from + count);
  };
  fill(words, &sentence.words);
  fill(pos, &sentence.pos);
  fill(chunks, &sentence.chunks);
  sentence.has_pos = pos != nullptr;
  sentence.has_chunks = chunks != nullptr;
  sentence.is_docstart = count == 1 && sentence.words[0] == "-DOCSTART-";
  return sentence;
}

}  // namespace

etagger_model* etagger_open(const char* path) {
  return guarded<etagger_model*>(nullptr, [&] {
    std::string folder = path, mapped = folder + "/ner_frozen.pb.memmapped", frozen = folder + "/ner_frozen.pb";
    bool is_mapped = access(mapped.c_str(), F_OK) == 0;
    if (!is_mapped && access(frozen.c_str(), F_OK) != 0)
      throw etagger::Error(folder + ": neither ner_frozen.pb.memmapped nor ner_frozen.pb is in it; write them with inference/export.py and freeze.py");
    etagger::silence_tensorflow();
    auto kind = is_mapped ? etagger::GraphFile::kMemoryMapped : etagger::GraphFile::kFrozen;
    return new etagger_model{etagger::open_graph_tagger(is_mapped ? mapped : frozen, kind, folder + "/vocab.txt", 0)};
  });
}

int etagger_tag(const etagger_model* model, const char* const* words, const char* const* pos, const char* const* chunks, size_t count,
                const char** tags) {
  return guarded(-1, [&] {
    if (count == 0) return 0;
    etagger::Sentence sentence = sentence_of(words, pos, chunks, count);
    auto tagged = model->tagger->tag(&sentence, 1, 1);
    for (size_t i = 0; i < count; ++i) tags[i] = tagged[0][i].data();      // whole strings of the model, which end in NUL
    return 0;
  });
}

void etagger_close(etagger_model* model) { delete model; }

const char* etagger_error(void) { return last_error.c_str(); }

const char* etagger_version(void) { return etagger::kVersion; }
