// The command that inference and inference_mm share: columns from a stream, the same with a tag behind each row.
#pragma once

#include "graph.h"

namespace etagger {

// main() of a tagging command. Returns the exit code: 0, or 2 after one line on standard error, or 130 after Ctrl-C.
int tag_columns(int argc, char** argv, GraphFile kind);

}  // namespace etagger
