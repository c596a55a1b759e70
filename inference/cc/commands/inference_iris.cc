// Classifies flowers with the graph that train_iris.py and freeze.py wrote:  inference_iris
// [--graph GRAPH]
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tagging/backend.h"
#include "base/cli.h"

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] {
    std::string graph = "exported/iris_frozen.pb";
    bool trust = false;
    etagger::Cli cli(argc, argv, "",
                     "Prints the species of three flowers, by the lengths and widths of "
                     "sepals and petals.");
    cli.flag("--graph", &graph, "the frozen graph (default exported/iris_frozen.pb)");
    cli.trust_flag(&trust);
    cli.parse();
    etagger::Sink out("");
    const char* species[] = {"setosa", "versicolor", "virginica"};
    // Centimetres: sepal length, sepal width, petal length, petal width.
    std::vector<float> flowers = {5.0f, 3.4f, 1.5f, 0.2f, 5.9f, 2.8f,
                                  4.3f, 1.3f, 6.6f, 3.0f, 5.6f, 2.0f};
    std::vector<float> logits =
        etagger::run_once(graph, "features", {3, 4}, flowers, "logits", 9, trust);
    for (size_t i = 0; i < 3; ++i) {
      auto begin = logits.begin() + static_cast<std::ptrdiff_t>(3 * i);
      char row[200];
      std::snprintf(row, sizeof row, "%s %.4f %.4f %.4f\n",
                    species[std::max_element(begin, begin + 3) - begin], begin[0], begin[1],
                    begin[2]);
      out.write(row);
    }
  });
}
