// Exact probabilities of tags and entities in a linear-chain CRF (forward-backward), and the n best
// tag sequences of a sentence. tagging/confidence.py is the reference, whose numbers are the same
// up to rounding.
//
// The sums over tag sequences are matrix products in double precision, by the engine's kernels.
// Each row is divided by its largest number. A sentence in which a number could underflow is
// computed again with logarithms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/stop.h"
#include "engine/kernels.h"
#include "engine/scratch.h"

namespace etagger {

// A model's file adds -1e9 to the score of an ill-formed transition. Scores below kForbidden are
// therefore replaced by kNever.
constexpr double kForbidden = -5e8;
constexpr double kNever = -std::numeric_limits<double>::infinity();

// The transition matrix of a model, and its scores for the first and the last tag, as in its file.
struct TransitionScores {
  const float* between;      // (tags, width), from row to column; nullptr: all are 0
  const float *begin, *end;  // (tags,), of the first and the last tag; unused without `between`
  size_t width;
};

// A tag, split into its prefix and its type.
struct ChainTag {
  char prefix;  // S for a tag without prefix, which is an entity by itself
  size_t type;  // index of the type
};

// The tags of a model. types: receives the name of each type, a view into the end of a tag.
std::vector<ChainTag> chain_tags(const std::vector<std::string>& tags, const std::string& scheme,
                                 std::vector<std::string_view>* types);

// A possible entity, words start .. end - 1 with a type, whose probability is computed.
struct ChainSpan {
  size_t start, end, type;
};

// One of the n best tag sequences, with log p(tags | sentence).
struct ChainPath {
  double log_probability;
  std::vector<int32_t> ids;
};

// Memory of one thread, which is reused for each sentence.
struct ChainScratch {
  Doubles emissions, weights, alpha, beta, entity, totals, alpha_scale, beta_scale;
  std::vector<size_t> members;
  void release() {
    for (Doubles* doubles :
         {&emissions, &weights, &alpha, &beta, &entity, &totals, &alpha_scale, &beta_scale})
      doubles->release();
  }
};

// The linear chain of a model at one temperature.
class Chain {
 public:
  // The arguments must outlive the chain. temperature: above 0; all scores are divided by it.
  // Throws Error if a score is not a number.
  Chain(const Kernels& kernels, const TransitionScores& transitions,
        const std::vector<ChainTag>& tags, double temperature);

  // Computes the probabilities of a sentence's tags and entities.
  // emissions: (length, stride), the emission scores; the first `tags` numbers of a row are used.
  // ids: (length,), the tags whose probabilities are written to of_tags (length,).
  // of_spans: receives a probability for each span.
  // Throws Error if a score is not a number, or if no tag sequence is possible.
  void probabilities(const float* emissions, size_t stride, size_t length, const int32_t* ids,
                     const std::vector<ChainSpan>& spans, ChainScratch* scratch, double* of_tags,
                     double* of_spans) const;

  // The `count` most probable tag sequences, or all if there are fewer, the best first, by the list
  // Viterbi algorithm (Seshadri and Sundberg 1994). Among equally probable sequences, the one whose
  // later tags have lower ids comes first. Throws Error as probabilities() does, and soon after
  // `stop` is set.
  std::vector<ChainPath> nbest(const float* emissions, size_t stride, size_t length, size_t count,
                               ChainScratch* scratch, Stop stop = {}) const;

 private:
  // The scores of a sentence, in the scratch memory.
  struct Sentence {
    // (length, width_): the emission scores of each token less their largest, plus the scores of
    // the first and the last tag.
    const double* emissions;
    size_t length;
    bool narrow;  // whether no e^score can underflow
  };
  template <class Sums>
  struct Lattice;

  Sentence read(const float* emissions, size_t stride, size_t length, ChainScratch* scratch) const;
  template <class Sums>
  double step(const double* from, const double* before, const double* after, bool backward,
              double* to) const;
  template <class Sums>
  double factor(size_t from, size_t to) const;
  template <class Sums>
  bool forward(const Sentence& sentence, ChainScratch* scratch, Lattice<Sums>* lattice) const;
  template <class Sums>
  bool backward(ChainScratch* scratch, Lattice<Sums>* lattice) const;
  template <class Sums>
  void answer(const Lattice<Sums>& lattice, const int32_t* ids, const std::vector<ChainSpan>& spans,
              ChainScratch* scratch, double* of_tags, double* of_spans) const;
  template <class Sums>
  double entity(const Lattice<Sums>& lattice, const ChainSpan& span, const double* totals,
                ChainScratch* scratch) const;
  double log_z(const Sentence& sentence, ChainScratch* scratch) const;

  const Kernels& kernels_;
  const std::vector<ChainTag>& tags_;
  const double temperature_;
  const size_t width_;  // number of tags, rounded up to a multiple of 8
  const bool has_transitions_;
  // With transitions only. narrow_: as Sentence::narrow. highest_: the largest score.
  bool narrow_ = true;
  double highest_ = 0.0;
  std::vector<double> begin_, end_;  // (tags,), scores of the first and the last tag
  // (tags, width_), from row to column: the scores divided by the temperature, e^(score - highest),
  // and the transpose of the latter.
  std::vector<double> scores_, factors_, transposed_;
};

}  // namespace etagger
