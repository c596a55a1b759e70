/* etagger: tags the words of sentences with a trained model.
 *
 *   etagger_model *model = etagger_open("exported");
 *   const char *words[] = {"Obama", "left", "Berlin"}, *tags[3];
 *   if (!model || etagger_tag(model, words, NULL, NULL, 3, tags)) fprintf(stderr, "%s\n", etagger_error());
 *   etagger_close(model);
 *
 * Text is UTF-8; bytes that are not count as unknown characters. Every function may be called from any thread, and many threads may
 * use one model at the same time; only etagger_close must come last.
 */
#ifndef ETAGGER_H
#define ETAGGER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ETAGGER_API __attribute__((visibility("default")))

typedef struct etagger_model etagger_model; /* a model, opaque */

/* Opens a model: a folder with vocab.txt and ner_frozen.pb.memmapped, or without that one ner_frozen.pb (inference/export.py and
 * the tools behind it write them). TensorFlow's log stays off standard error unless TF_CPP_MIN_LOG_LEVEL is 0. NULL where it can not be opened: etagger_error() says why. */
ETAGGER_API etagger_model *etagger_open(const char *path);

/* Tags a sentence of `count` words. pos and chunks are its part-of-speech and chunk columns, or NULL where there are none.
 * Fills tags[0 .. count-1] with tags in the scheme of the training data; they belong to the model and hold until it is closed, so
 * there is nothing to free. Returns 0, or -1 where it failed: etagger_error() says why. */
ETAGGER_API int etagger_tag(const etagger_model *model, const char *const *words, const char *const *pos, const char *const *chunks,
                            size_t count, const char **tags);

/* Closes a model; NULL is allowed. No other call may be using it. */
ETAGGER_API void etagger_close(etagger_model *model);

/* What went wrong in this thread's last call that failed, one line; it holds until the next such call. */
ETAGGER_API const char *etagger_error(void);

/* The version, such as "0.1.0". */
ETAGGER_API const char *etagger_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ETAGGER_H */
