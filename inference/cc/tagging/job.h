// Some sentences of a stream on their way from the input to the output.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <vector>

#include "tagging/tagger.h"
#include "text/blocks.h"

namespace etagger {

struct Job {
  Run run;
  std::string out;  // its sentences with their tags
  size_t sentences = 0, tokens = 0, bad_bytes = 0;
  size_t pieces = 0;  // see StreamReport
  std::vector<Timing> timings;
  std::exception_ptr error;  // what went wrong after the sentences of `out`
  bool is_done = false;      // of JobPool
};

}  // namespace etagger
