// Tags with an .etagger file:  etagger model.etagger < data/test.txt > pred.txt
#include "commands/command.h"

int main(int argc, char** argv) {
  return etagger::tag_with_engine(argc, argv);
}
