// The command that inference and inference_mm share: columns from a stream, the same with a tag
// after each row.
#pragma once

#include "tagging/graph.h"

namespace etagger {

// main() of a command that tags with a TensorFlow graph. Returns the exit code: 0, or 2 after one
// line on standard error.
int tag_with_graph(int argc, char** argv, GraphFile kind);

// main() of the command that tags with an .etagger file.
int tag_with_engine(int argc, char** argv);

}  // namespace etagger
