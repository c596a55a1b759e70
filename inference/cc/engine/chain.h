// How sure a linear-chain model is of its tags: exact probabilities of tags and entities, and the n
// best tag sequences of a sentence. tagging/confidence.py is the reference; the numbers are its own
// up to rounding.
//
// Sums over tag sequences are products of matrices, in double precision by the engine's kernels.
// Each row is divided by its largest number. Where a number could become 0 that is none, a sentence
// is computed again with logarithms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernels.h"
#include "engine/scratch.h"

namespace etagger {

constexpr double kForbidden =
    -5e8;  // scores below it: a model's file adds -1e9 to what is ill-formed
constexpr double kNever = -std::numeric_limits<double>::infinity();  // what they become

// The scores that a model gives to neighbouring tags, as they lie in its file.
struct TransitionScores {
  const float* between;      // (tags, width), from row to column; nullptr: all are 0
  const float *begin, *end;  // (tags,): of the first and the last tag; where `between` is there
  size_t width;
};

// How entities are read in a tag.
struct ChainTag {
  char prefix;  // S in tags without prefixes, each of which is an entity of its own
  size_t type;  // its number
};

// The tags of a model. types: gets the name of each type, a part of its tag; it ends where that
// ends.
std::vector<ChainTag> chain_tags(const std::vector<std::string>& tags, const std::string& scheme,
                                 std::vector<std::string_view>* types);

// Words start .. end - 1 with a type, whose probability is asked for.
struct ChainSpan {
  size_t start, end, type;
};

// One of the n best: log p(tags | sentence).
struct ChainPath {
  double log_probability;
  std::vector<int32_t> ids;
};

// Memory of one thread, used again and again.
struct ChainScratch {
  Doubles emissions, weights, alpha, beta, entity, totals, alpha_scale, beta_scale;
  std::vector<size_t> members;
  void release() {
    for (Doubles* each :
         {&emissions, &weights, &alpha, &beta, &entity, &totals, &alpha_scale, &beta_scale})
      each->release();
  }
};

// A model's chain at one temperature.
class Chain {
 public:
  // All must outlive it. temperature: what all scores are divided by, above 0. Throws Error for
  // scores that are no numbers.
  Chain(const Kernels& kernels, const TransitionScores& transitions,
        const std::vector<ChainTag>& tags, double temperature);

  // The probabilities of a sentence. emissions: float32 (length, stride), of which the first tags
  // of a row count. ids: (length,), the tags whose probabilities go to of_tags (length,). of_spans:
  // a probability for each span. Throws Error for scores that are no numbers, or that leave no
  // sequence possible.
  void probabilities(const float* emissions, size_t stride, size_t length, const int32_t* ids,
                     const std::vector<ChainSpan>& spans, ChainScratch* scratch, double* of_tags,
                     double* of_spans) const;

  // The `count` most probable tag sequences, or all where there are fewer, the best first, by the
  // list Viterbi algorithm (Seshadri and Sundberg 1994). Of sequences with one probability, the one
  // whose later tags have lower ids comes first. Throws Error as probabilities() does.
  std::vector<ChainPath> nbest(const float* emissions, size_t stride, size_t length, size_t count,
                               ChainScratch* scratch) const;

 private:
  struct Sentence {           // its scores, in the scratch memory
    const double* emissions;  // (length, width_): at most 0 and kNever, but for the edges
    size_t length;
    bool narrow;  // whether e^scores are far from what is rounded to 0
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
  const size_t width_;  // tags, up to a multiple of 8
  const bool has_transitions_;
  // Where there are transitions. narrow_: as that of a sentence. highest_: of the scores.
  bool narrow_ = true;
  double highest_ = 0.0;
  std::vector<double> begin_, end_;  // (tags,), added to the first and the last emission scores
  // (tags, width_), from row to column: scores divided by the temperature; e^(scores - highest);
  // and the latter from column to row.
  std::vector<double> scores_, factors_, transposed_;
};

}  // namespace etagger
