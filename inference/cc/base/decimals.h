// Probabilities as text.
#pragma once

#include <string>

namespace etagger {

// Appends a number from 0 to 1 with six digits after the point, as printf's %.6f does, and several
// times as quickly.
void append_six_digits(double number, std::string* out);

}  // namespace etagger
