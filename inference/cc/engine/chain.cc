#include "engine/chain.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "base/error.h"
#include "tagging/scheme.h"

namespace etagger {
namespace {

// With these bounds, one step from numbers that are 0 or at least kLeastSum never underflows:
// kLeastSum * e^kLowestTransition * e^kLowestEmission is 1e-300.
constexpr double kLowestTransition = -115.0, kLowestEmission = -230.0;

[[noreturn]] void fail(const char* what) {
  throw Error(std::string("the model gives scores ") + what + "; export it again");
}

// Two ways to compute with sums of products: the numbers themselves, and their logarithms.
struct Linear {
  static constexpr double kZero = 0.0, kOne = 1.0;
  static double plus(double a, double b) { return a + b; }
  static double times(double a, double b) { return a * b; }
  static double over(double a, double b) { return a / b; }
  static double value(double a) { return a; }
};

struct Logs {
  static constexpr double kZero = kNever, kOne = 0.0;
  static double plus(double a, double b) {
    const double peak = std::max(a, b);
    return peak == kNever ? kNever : peak + std::log1p(std::exp(std::min(a, b) - peak));
  }
  static double times(double a, double b) { return a + b; }
  static double over(double a, double b) { return a - b; }
  static double value(double a) { return std::exp(a); }
};

double scaled(double score, double temperature) {
  return score < kForbidden ? kNever : score / temperature;
}

// The same as Kernels::chain_step, with logarithms. It goes from row to column of `between`, or
// from column to row if `backward`.
double log_step(const double* from, const double* before, const double* after, size_t tags,
                const double* between, size_t width, bool backward, double* to) {
  double scale = kNever;
  for (size_t j = 0; j < tags; ++j) {
    auto path = [&](size_t i) {
      const double score = !between   ? 0.0
                           : backward ? between[j * width + i]
                                      : between[i * width + j];
      return from[i] + (before ? before[i] : 0.0) + score;
    };
    double peak = kNever, sum = 0.0;
    for (size_t i = 0; i < tags; ++i) peak = std::max(peak, path(i));
    for (size_t i = 0; i < tags && peak != kNever; ++i) sum += std::exp(path(i) - peak);
    to[j] = peak == kNever ? kNever : peak + std::log(sum) + (after ? after[j] : 0.0);
    scale = std::max(scale, to[j]);
  }
  for (size_t j = 0; j < tags && scale != kNever; ++j) to[j] -= scale;
  return scale;
}

// The same as Kernels::chain_step where all transition scores are 0: each tag gets the same sum.
double even_step(const double* from, const double* before, const double* after, size_t tags,
                 double* to) {
  double sum = 0.0, most = 0.0;
  for (size_t i = 0; i < tags; ++i) sum += before ? from[i] * before[i] : from[i];
  for (size_t j = 0; j < tags; ++j) most = std::max(most, to[j] = after ? after[j] : 1.0);
  for (size_t j = 0; j < tags; ++j) to[j] /= most;
  return sum * most;
}

}  // namespace

std::vector<ChainTag> chain_tags(const std::vector<std::string>& tags, const std::string& scheme,
                                 std::vector<std::string_view>* types) {
  // a tree, as a stranger's tags could collide in a hash table
  std::map<std::string_view, size_t> numbers;
  std::vector<ChainTag> read;
  for (const std::string& name : tags) {
    Tag tag = split_tag(name);
    if (scheme == kRaw) tag = name == "O" ? Tag{'O', {}} : Tag{'S', name};
    auto [place, is_new] = numbers.emplace(tag.type, types->size());
    if (is_new) types->push_back(tag.type);
    read.push_back({tag.prefix, place->second});
  }
  return read;
}

// The forward and backward variables of a sentence. Each row is (width_,), divided by its scale;
// the first `tags` numbers of a row are used.
template <class Sums>
struct Chain::Lattice {
  size_t length;
  const double* weights;  // of the emission scores
  // Forward variables: the sum over all beginnings up to this token with this tag, its emission
  // score included. Backward variables: the sum over all continuations after it.
  double *alpha, *beta;
  double *alpha_scale, *beta_scale;  // (length,)
};

Chain::Chain(const Kernels& kernels, const TransitionScores& transitions,
             const std::vector<ChainTag>& tags, double temperature)
    : kernels_(kernels),
      tags_(tags),
      temperature_(temperature),
      width_((tags.size() + 7) / 8 * 8),
      has_transitions_(transitions.between != nullptr) {
  if (!has_transitions_) return;
  const size_t count = tags.size();
  scores_.assign(count * width_, kNever);
  double lowest = 0.0, sum = 0.0;
  highest_ = kNever;
  for (size_t i = 0; i < count; ++i) {
    begin_.push_back(scaled(static_cast<double>(transitions.begin[i]), temperature));
    end_.push_back(scaled(static_cast<double>(transitions.end[i]), temperature));
    for (size_t j = 0; j < count; ++j) {
      const double score =
          scaled(static_cast<double>(transitions.between[i * transitions.width + j]), temperature);
      scores_[i * width_ + j] = score;
      if (score == kNever) continue;
      sum += score;
      lowest = std::min(lowest, score);
      highest_ = std::max(highest_, score);
    }
  }
  if (!std::isfinite(sum)) fail("that are no numbers");
  if (highest_ == kNever) highest_ = 0.0;
  narrow_ = lowest - highest_ >= kLowestTransition;
  factors_.resize(count * width_);
  for (size_t k = 0; k < factors_.size(); ++k) factors_[k] = scores_[k] - highest_;
  kernels_.exponentials(factors_.data(), factors_.size(), factors_.data());
  transposed_.assign(count * width_, 0.0);
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < count; ++j) transposed_[j * width_ + i] = factors_[i * width_ + j];
}

Chain::Sentence Chain::read(const float* emissions, size_t stride, size_t length,
                            ChainScratch* scratch) const {
  const size_t count = tags_.size();
  double* scores = scratch->emissions.room(length * width_);
  double sum = 0.0, lowest = 0.0;
  for (size_t t = 0; t < length; ++t) {
    const float* from = emissions + t * stride;
    double* row = scores + t * width_;
    double peak = kNever;
    for (size_t tag = 0; tag < count; ++tag) {
      row[tag] = static_cast<double>(from[tag]) / temperature_;
      sum += row[tag];
      peak = std::max(peak, row[tag]);
    }
    for (size_t tag = 0; tag < count; ++tag) {
      row[tag] -= peak;
      lowest = std::min(lowest, row[tag]);
    }
    std::fill(row + count, row + width_, kNever);
  }
  if (!std::isfinite(sum)) fail("that are no numbers");
  double highest = 0.0;
  auto add = [&](const std::vector<double>& edge, double* row) {
    for (size_t tag = 0; tag < edge.size(); ++tag) {
      row[tag] += edge[tag];
      highest = std::max(highest, row[tag]);
      if (row[tag] != kNever) lowest = std::min(lowest, row[tag]);
    }
  };
  add(begin_, scores);
  add(end_, scores + (length - 1) * width_);
  return {scores, length, narrow_ && lowest - highest >= kLowestEmission};
}

// ------------------------------------------------------------ sums

template <>
double Chain::step<Linear>(const double* from, const double* before, const double* after,
                           bool backward, double* to) const {
  if (!has_transitions_) return even_step(from, before, after, tags_.size(), to);
  return kernels_.chain_step(from, before, after, tags_.size(),
                             (backward ? transposed_ : factors_).data(), width_, to);
}

template <>
double Chain::step<Logs>(const double* from, const double* before, const double* after,
                         bool backward, double* to) const {
  return log_step(from, before, after, tags_.size(), has_transitions_ ? scores_.data() : nullptr,
                  width_, backward, to);
}

// The forward algorithm. Returns false if a number underflows, or if no tag sequence is possible.
template <class Sums>
bool Chain::forward(const Sentence& sentence, ChainScratch* scratch, Lattice<Sums>* lattice) const {
  const size_t length = sentence.length, count = tags_.size();
  const double* weights = sentence.emissions;
  if constexpr (std::is_same_v<Sums, Linear>) {
    double* exponentials = scratch->weights.room(length * width_);
    kernels_.exponentials(weights, length * width_, exponentials);
    weights = exponentials;
  }
  *lattice = {length,
              weights,
              scratch->alpha.room(length * width_),
              nullptr,
              scratch->alpha_scale.room(length),
              nullptr};
  double* alpha = lattice->alpha;
  lattice->alpha_scale[0] = *std::max_element(weights, weights + count);
  if (lattice->alpha_scale[0] == Sums::kZero) return false;
  for (size_t tag = 0; tag < count; ++tag)
    alpha[tag] = Sums::over(weights[tag], lattice->alpha_scale[0]);
  for (size_t t = 1; t < length; ++t) {
    alpha += width_;
    lattice->alpha_scale[t] =
        step<Sums>(alpha - width_, nullptr, weights + t * width_, false, alpha);
    if (lattice->alpha_scale[t] == Sums::kZero) return false;
  }
  return true;
}

// The backward algorithm. Returns false likewise.
template <class Sums>
bool Chain::backward(ChainScratch* scratch, Lattice<Sums>* lattice) const {
  const size_t length = lattice->length;
  lattice->beta = scratch->beta.room(length * width_);
  lattice->beta_scale = scratch->beta_scale.room(length);
  double* beta = lattice->beta + (length - 1) * width_;
  std::fill_n(beta, tags_.size(), Sums::kOne);
  for (size_t t = length - 1; t > 0; --t) {
    beta -= width_;
    lattice->beta_scale[t - 1] =
        step<Sums>(beta + width_, lattice->weights + t * width_, nullptr, true, beta);
    if (lattice->beta_scale[t - 1] == Sums::kZero) return false;
  }
  return true;
}

// ------------------------------------------------------------ tokens and entities

void Chain::probabilities(const float* emissions, size_t stride, size_t length, const int32_t* ids,
                          const std::vector<ChainSpan>& spans, ChainScratch* scratch,
                          double* of_tags, double* of_spans) const {
  const Sentence sentence = read(emissions, stride, length, scratch);
  Lattice<Linear> linear;
  if (sentence.narrow && forward(sentence, scratch, &linear) && backward(scratch, &linear))
    return answer(linear, ids, spans, scratch, of_tags, of_spans);
  Lattice<Logs> logs;
  if (!forward(sentence, scratch, &logs) || !backward(scratch, &logs))
    fail("that allow no tag sequence");
  answer(logs, ids, spans, scratch, of_tags, of_spans);
}

template <class Sums>
void Chain::answer(const Lattice<Sums>& lattice, const int32_t* ids,
                   const std::vector<ChainSpan>& spans, ChainScratch* scratch, double* of_tags,
                   double* of_spans) const {
  double* totals = scratch->totals.room(lattice.length);  // the sum over all sequences, in scale
  for (size_t t = 0; t < lattice.length; ++t) {
    const double *alpha = lattice.alpha + t * width_, *beta = lattice.beta + t * width_;
    totals[t] = Sums::kZero;
    for (size_t tag = 0; tag < tags_.size(); ++tag)
      totals[t] = Sums::plus(totals[t], Sums::times(alpha[tag], beta[tag]));
    const auto id = static_cast<size_t>(ids[t]);
    of_tags[t] =
        std::min(Sums::value(Sums::over(Sums::times(alpha[id], beta[id]), totals[t])), 1.0);
  }
  for (size_t k = 0; k < spans.size(); ++k)
    of_spans[k] = std::min(entity(lattice, spans[k], totals, scratch), 1.0);
}

// The probability of an entity: the sum over all tag sequences that mark an entity with this start,
// end and type, by constrained forward-backward (Culotta and McCallum 2004). The sums over
// beginnings that lead into the entity, and then through it, are in the scale of the forward
// variables.
template <class Sums>
double Chain::entity(const Lattice<Sums>& lattice, const ChainSpan& span, const double* totals,
                     ChainScratch* scratch) const {
  std::vector<size_t>& members = scratch->members;  // the type's tags
  members.clear();
  for (size_t tag = 0; tag < tags_.size(); ++tag)
    if (tags_[tag].prefix != 'O' && tags_[tag].type == span.type) members.push_back(tag);
  double* sums = scratch->entity.room(2 * width_);
  double* moved = sums + width_;
  auto weigh = [&](double sum, size_t t, size_t tag) {
    return Sums::over(Sums::times(sum, lattice.weights[t * width_ + tag]), lattice.alpha_scale[t]);
  };
  for (size_t to : members) {
    double sum = span.start ? Sums::kZero : Sums::kOne;
    for (size_t from = 0; span.start && from < tags_.size(); ++from)
      if (boundary(tags_[from], tags_[to]).starts)
        sum = Sums::plus(sum, Sums::times(lattice.alpha[(span.start - 1) * width_ + from],
                                          factor<Sums>(from, to)));
    sums[to] = weigh(sum, span.start, to);
  }
  for (size_t t = span.start + 1; t < span.end; ++t, std::swap(sums, moved))
    for (size_t to : members) {
      double sum = Sums::kZero;
      for (size_t from : members)
        if (!boundary(tags_[from], tags_[to]).starts)
          sum = Sums::plus(sum, Sums::times(sums[from], factor<Sums>(from, to)));
      moved[to] = weigh(sum, t, to);
    }
  const size_t last = span.end - 1;
  double total = Sums::kZero;
  for (size_t from : members) {
    double after = span.end == lattice.length ? Sums::kOne : Sums::kZero;
    for (size_t to = 0; span.end < lattice.length && to < tags_.size(); ++to)
      if (boundary(tags_[from], tags_[to]).ends) {
        const size_t at = span.end * width_ + to;
        after = Sums::plus(after, Sums::times(factor<Sums>(from, to),
                                              Sums::times(lattice.weights[at], lattice.beta[at])));
      }
    total = Sums::plus(total, Sums::times(sums[from], after));
  }
  if (span.end < lattice.length) total = Sums::over(total, lattice.beta_scale[last]);
  return Sums::value(Sums::over(total, totals[last]));
}

template <class Sums>
double Chain::factor(size_t from, size_t to) const {
  if (!has_transitions_) return Sums::kOne;
  return (std::is_same_v<Sums, Linear> ? factors_ : scores_)[from * width_ + to];
}

// ------------------------------------------------------------ the n best

namespace {

// The next path to one tag that comes from a given tag, in a heap with the best path on top.
struct Head {
  double score;
  size_t from, rank;
  bool operator<(const Head& other) const {
    return score < other.score || (score == other.score && from > other.from);
  }
};

// The best paths to one tag, sorted: merges the lists of paths to the tags before it.
// scores: (tags, count), each row in descending order. transition(from): added to a row's scores.
// best, origin: (count,), the scores of the paths and their indices in `scores`; the score is
// kNever where there are no more paths.
template <class Transition>
void merge(const double* scores, size_t tags, size_t count, Transition transition,
           std::vector<Head>* heap, double* best, int32_t* origin) {
  heap->clear();
  auto push = [&](size_t from, size_t rank) {
    if (rank == count) return false;
    const double score = scores[from * count + rank] + transition(from);
    if (score > kNever) heap->push_back({score, from, rank});
    return score > kNever;
  };
  for (size_t from = 0; from < tags; ++from) push(from, 0);
  std::make_heap(heap->begin(), heap->end());
  for (size_t k = 0; k < count; ++k) {
    if (heap->empty()) {
      best[k] = kNever;
      origin[k] = 0;
      continue;
    }
    std::pop_heap(heap->begin(), heap->end());
    const Head head = heap->back();
    heap->pop_back();
    best[k] = head.score;
    origin[k] = static_cast<int32_t>(head.from * count + head.rank);
    if (push(head.from, head.rank + 1)) std::push_heap(heap->begin(), heap->end());
  }
}

}  // namespace

std::vector<ChainPath> Chain::nbest(const float* emissions, size_t stride, size_t length,
                                    size_t count, ChainScratch* scratch, Stop stop) const {
  const Sentence sentence = read(emissions, stride, length, scratch);
  const size_t tags = tags_.size(), row = tags * count;
  // Maps tag * count + rank of a path to the same number for the token before.
  const std::unique_ptr<int32_t[]> origin(new int32_t[length * row]);
  std::vector<double> scores(row, kNever), next(row);  // of the best paths to each tag
  std::vector<Head> heap;
  for (size_t tag = 0; tag < tags; ++tag) scores[tag * count] = sentence.emissions[tag];
  std::vector<double> best(count);
  for (size_t t = 1; t < length; ++t, scores.swap(next)) {
    stop.check();
    for (size_t to = 0; to < tags; ++to) {
      int32_t* origins = &origin[t * row + to * count];
      auto transition = [&](size_t from) {
        return has_transitions_ ? scores_[from * width_ + to] : 0.0;
      };
      if (has_transitions_ || to == 0)
        merge(scores.data(), tags, count, transition, &heap, best.data(), origins);
      else  // without transition scores every tag has the same paths before it
        std::copy_n(&origin[t * row], count, origins);
      for (size_t k = 0; k < count; ++k)
        next[to * count + k] = best[k] + sentence.emissions[t * width_ + to];
    }
  }
  std::vector<int32_t> places(count);
  merge(scores.data(), tags, count, [](size_t) { return 0.0; }, &heap, best.data(), places.data());
  const double total = log_z(sentence, scratch);
  std::vector<ChainPath> paths;
  for (size_t k = 0; k < count && best[k] > kNever; ++k) {
    paths.push_back({best[k] - total, std::vector<int32_t>(length)});
    size_t place = static_cast<size_t>(places[k]);
    for (size_t t = length; t-- > 0;) {
      paths.back().ids[t] = static_cast<int32_t>(place / count);
      if (t) place = static_cast<size_t>(origin[t * row + place]);
    }
  }
  return paths;
}

// log Z: the logarithm of the sum over all tag sequences.
double Chain::log_z(const Sentence& sentence, ChainScratch* scratch) const {
  double total = 0.0, last = 0.0;
  const double* row;
  Lattice<Linear> linear;
  if (sentence.narrow && forward(sentence, scratch, &linear)) {
    for (size_t t = 0; t < sentence.length; ++t) total += std::log(linear.alpha_scale[t]);
    row = linear.alpha + (sentence.length - 1) * width_;
    for (size_t tag = 0; tag < tags_.size(); ++tag) last += row[tag];
    return total + highest_ * static_cast<double>(sentence.length - 1) + std::log(last);
  }
  Lattice<Logs> logs;
  if (!forward(sentence, scratch, &logs)) fail("that allow no tag sequence");
  for (size_t t = 0; t < sentence.length; ++t) total += logs.alpha_scale[t];
  row = logs.alpha + (sentence.length - 1) * width_;
  last = kNever;
  for (size_t tag = 0; tag < tags_.size(); ++tag) last = Logs::plus(last, row[tag]);
  return total + last;
}

}  // namespace etagger
