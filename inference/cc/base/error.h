// One-line errors: `file:line: what is wrong, what was expected, how to mend it`. Commands print
// them and exit with 2.
#pragma once

#include <stdexcept>
#include <string>

namespace etagger {

class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace etagger
