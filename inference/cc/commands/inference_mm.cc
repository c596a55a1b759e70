// Tags with a memory-mapped graph:  inference_mm GRAPH VOCAB < data/test.txt > pred.txt
#include "commands/command.h"

int main(int argc, char** argv) {
  return etagger::tag_with_graph(argc, argv, etagger::GraphFile::kMemoryMapped);
}
