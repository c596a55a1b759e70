/* etagger: tags the words of sentences with a trained model.
 *
 *   etagger_model *model = etagger_open("model.etagger");
 *   const char *words[] = {"Sumogetti", "left", "Vremland"}, *tags[3];
 *   if (!model || etagger_tag(model, words, NULL, NULL, 3, tags))
 *     fprintf(stderr, "%s\n", etagger_error());
 *   else
 *     for (int i = 0; i < 3; ++i) printf("%s %s\n", words[i], tags[i]);
 *   etagger_close(model);
 *
 * Two sentences, "Sumogetti left" and "Vremland", at once:
 *
 *   size_t lengths[] = {2, 1};
 *   etagger_tag_sentences(model, words, NULL, NULL, lengths, 2, 0, tags);
 *
 * Text is UTF-8 and ends in NUL; bytes that are not UTF-8 count as unknown characters. A word is
 * any text but the empty one: blanks within do not part it.
 *
 * Ownership: what you pass stays yours and is not needed once the call is back. Tags and names that
 * you get belong to the model and hold until it is closed; there is nothing to free but the model.
 * Its file stays mapped into memory while it is open: put a new file in its place by renaming, do
 * not write over it. The next call reports a file that was cut short; one that is cut short
 * in the middle of a call ends the process with SIGBUS.
 *
 * Processes: a fork goes on with an .etagger model, and shares its memory. It cannot use a model
 * of TensorFlow's, and every call says so.
 *
 * Threads: every function may be called from any thread, and any number of threads may use one
 * model at the same time; they do not wait for each other. Each keeps scratch memory, as much as
 * its largest batch has needed, until it ends. Only etagger_close must come when no other call uses
 * the model.
 */
#ifndef ETAGGER_H
#define ETAGGER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ETAGGER_API __attribute__((visibility("default")))

typedef struct etagger_model etagger_model; /* a model, opaque */

/* Opens a model: an .etagger file (inference/export.py --engine writes it); or a folder with
 * vocab.txt and ner_frozen.pb.memmapped, or without that one ner_frozen.pb, which is tagged with by
 * TensorFlow where the library was built with it (its log stays off standard error unless
 * TF_CPP_MIN_LOG_LEVEL is 0). Returns NULL where it cannot be opened: etagger_error() says why. */
ETAGGER_API etagger_model* etagger_open(const char* path);

/* The same, for a folder whose graph may hold any op of TensorFlow's: such a graph may do what its
 * maker likes, also read and write files. etagger_open refuses what etagger's own graphs do not
 * hold. */
ETAGGER_API etagger_model* etagger_open_trusted(const char* path);

/* Tags a sentence of `count` words. pos and chunks are its part-of-speech and chunk columns, as
 * many as words, or NULL where there are none. Fills tags[0 .. count-1] with tags in the scheme of
 * the training data. Returns 0, or -1 where it failed: etagger_error() says why, and `tags` is not
 * to be used. */
ETAGGER_API int etagger_tag(const etagger_model* model, const char* const* words,
                            const char* const* pos, const char* const* chunks, size_t count,
                            const char** tags);

/* The same for many sentences, in batches and on up to `threads` threads, the caller's among them;
 * 0: one for each core. words, pos, chunks and tags hold all sentences, one after the other;
 * lengths[0 .. sentences-1] is how many words each has, 0 included. The tags are those of
 * etagger_tag, sentence by sentence; but a model with document context (bert_context) reads each
 * sentence with those around it in the list, as far as one of the single word -DOCSTART-. */
ETAGGER_API int etagger_tag_sentences(const etagger_model* model, const char* const* words,
                                      const char* const* pos, const char* const* chunks,
                                      const size_t* lengths, size_t sentences, int threads,
                                      const char** tags);

/* Tags a file of columns (or standard input and output, where a path is NULL): each row comes out
 * with its tag after it, in constant memory, on `threads` threads; 0: one for each core. columns:
 * such as "word pos chunk tag", _ to ignore one, id first in CoNLL-U, or NULL: by their number. The
 * output bears its name once it is whole; until then its name ends in a point and six letters more.
 * A sentence of more than 100,000 rows is tagged in pieces of so many, each as a sentence of its
 * own; a line of more than 16 MB is refused. Returns 0, or -1 where it failed. */
ETAGGER_API int etagger_tag_file(const etagger_model* model, const char* input, const char* output,
                                 const char* columns, int threads);

/* The same with a delimiter: "tab", each single tab separates columns, for tokens with spaces and
 * empty fields; "space", spaces and tabs do, runs count as one; or NULL: as the model was trained.
 */
ETAGGER_API int etagger_tag_columns(const etagger_model* model, const char* input,
                                    const char* output, const char* columns, const char* delimiter,
                                    int threads);

/* An entity of a sentence: words start to end - 1. The type belongs to the model. */
typedef struct etagger_span {
  const char* type;
  size_t start, end;
  double score; /* the probability that just these words are an entity of just this type */
} etagger_span;

/* Tags a sentence as etagger_tag does, and says how sure the model is of it. Fills tags[0 ..
 * count-1]; probabilities[0 .. count-1], that of each tag, or of the one that stands for it in the
 * scheme in which the model has learned; and *found entities, `count` at most, from left to right:
 * all arrays are of the caller, with room for `count`. temperature: what the model's scores are
 * divided by before they become probabilities, 1 or what calibration.py fits; it changes no tag. An
 * .etagger file alone has scores. Returns 0, or -1 where it failed. */
ETAGGER_API int etagger_confident(const etagger_model* model, const char* const* words,
                                  const char* const* pos, const char* const* chunks, size_t count,
                                  double temperature, const char** tags, double* probabilities,
                                  etagger_span* entities, size_t* found);

/* The n most probable tag sequences of a sentence, n from 1 to 1000: *found of them, fewer than n
 * where there are no more, the best first. Fills probabilities[0 .. *found-1] and, `count` for
 * each, tags[0 .. *found * count - 1]: the caller's, with room for n and for n * count. The rest is
 * as for etagger_confident. */
ETAGGER_API int etagger_nbest(const etagger_model* model, const char* const* words,
                              const char* const* pos, const char* const* chunks, size_t count,
                              size_t n, double temperature, const char** tags,
                              double* probabilities, size_t* found);

/* From now on, this thread's calls that tag (etagger_tag_sentences, etagger_tag_file,
 * etagger_nbest and others) end soon with -1 once *stop is not 0, and leave no output. stop: NULL
 * takes it back; another thread may set it, as an atomic. */
ETAGGER_API void etagger_stop_at(const int* stop);

/* For languages that have no char *[]: `joined` holds `count` texts one after the other, each with
 * its NUL; fills texts[0 .. count-1] with where each begins in it. */
ETAGGER_API void etagger_split(const char* joined, size_t count, const char** texts);

/* The tags that the model may give: how many, and the name of one, index < count, or else NULL. */
ETAGGER_API size_t etagger_tag_count(const etagger_model* model);
ETAGGER_API const char* etagger_tag_name(const etagger_model* model, size_t index);

/* Whether the model looks at a column, "word", "pos" or "chunk": 1 or 0. One that it does not look
 * at need not be given; without one that it looks at, tags are worse. */
ETAGGER_API int etagger_uses(const etagger_model* model, const char* column);

/* Differs from model to model: the size of its file and a checksum of its contents, such as
 * "8123456-1c291ca3"; NULL for NULL. A copy of the file has the same. */
ETAGGER_API const char* etagger_fingerprint(const etagger_model* model);

/* Closes a model; NULL is allowed. */
ETAGGER_API void etagger_close(etagger_model* model);

/* What went wrong in this thread's last call that failed, one line of UTF-8 without control
 * characters; it holds until the next such call. */
ETAGGER_API const char* etagger_error(void);

/* What makes the tags of this thread's last call that tags (etagger_tag, etagger_tag_sentences,
 * etagger_tag_file, etagger_confident, etagger_nbest) worse, though it succeeded: the columns that
 * the model was trained with (without feature_drop) and that the call or the file lacks. One line,
 * or "": nothing. It holds until the next such call. */
ETAGGER_API const char* etagger_warning(void);

/* The version, such as "0.1.0". */
ETAGGER_API const char* etagger_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ETAGGER_H */
