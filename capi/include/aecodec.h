/* The C library of aecodec, a learned image codec. docs/c.md describes it.
 *
 * Every function may be called from any thread. Functions that return a status describe an error in
 * aecodec_last_error(), which belongs to the calling thread. */
#ifndef AECODEC_H
#define AECODEC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What became of a call. Later versions may add values. */
enum {
  AECODEC_OK = 0,
  /* A pointer is null, or a field or a length is out of its range. */
  AECODEC_ARGUMENT = 1,
  /* The stream is no .aec file, it ends too early, or its header is damaged. */
  AECODEC_INVALID = 2,
  /* The picture needs more pixels or memory than the limits allow. */
  AECODEC_LIMIT = 3,
  /* The stream needs a model that is not built in. */
  AECODEC_UNKNOWN_MODEL = 4,
  /* The callback returned a value other than 0. */
  AECODEC_STOPPED = 5,
  /* The picture was decoded, but parts of it are lost. */
  AECODEC_DAMAGED = 6,
  /* An error of this library. Please report it. */
  AECODEC_INTERNAL = 7
};

/* Describes a stream. */
typedef struct {
  uint32_t width;
  uint32_t height;
  /* Samples of a pixel: 1 for gray, 3 for red, green and blue. */
  uint8_t channels;
  /* 1 if the picture has alpha. */
  uint8_t alpha;
  /* EXIF orientation of the rows, 1 (upright) to 8. It is not applied to them. */
  uint8_t orientation;
  /* 1 if the stream is exact. */
  uint8_t exact;
} aecodec_info;

/* How to decode. Zeros stand for the defaults. */
typedef struct {
  /* Threads; 0 means one. */
  uint32_t threads;
  /* The longest side of the result in pixels, for thumbnails; 0 keeps the size. */
  uint32_t longest;
  /* The most pixels of a picture; 0 means 2^30. */
  uint64_t pixels;
  /* The most bytes of memory; 0 means 512 MiB, and 64 bytes for each byte of the stream. */
  uint64_t memory;
} aecodec_decode_options;

/* A picture of 8 bits per sample. Rows have no padding. */
typedef struct {
  uint32_t width;
  uint32_t height;
  /* 1 or 3. */
  uint8_t channels;
  /* 1 to 8; 0 stands for 1. */
  uint8_t orientation;
  /* width * height * channels samples. */
  uint8_t *samples;
  /* width * height samples, or null if the picture is opaque. */
  uint8_t *alpha;
} aecodec_picture;

/* How to encode. */
typedef struct {
  /* 0 (smallest) to 100 (best). It is ignored by exact streams. */
  double quality;
  /* 1 for a lossless stream. */
  uint8_t lossless;
  /* 1 for the model "best", 0 for "fast". */
  uint8_t best;
  /* Threads; 0 means one. */
  uint32_t threads;
} aecodec_encode_options;

/* Takes rows from top to bottom: `count` of them, without padding. Any result but 0 ends the decode. */
typedef int (*aecodec_rows)(void *user, const uint8_t *rows, uint32_t count);

/* The version of the library. */
const char *aecodec_version(void);

/* The last error of this thread, or an empty string. It is valid until the next call of this thread. */
const char *aecodec_last_error(void);

/* Reads the header of a stream. Its first 35 bytes are enough. */
int aecodec_read_info(const uint8_t *data, size_t length, aecodec_info *info);

/* Decodes row by row, in little memory. Alpha is left out, and `longest` must be 0. `options` may be null. */
int aecodec_decode_rows(const uint8_t *data, size_t length, const aecodec_decode_options *options,
                        aecodec_rows rows, void *user);

/* Decodes a whole picture, which aecodec_free_picture releases, also after AECODEC_DAMAGED. `options` may be null. */
int aecodec_decode(const uint8_t *data, size_t length, const aecodec_decode_options *options,
                   aecodec_picture *picture);

/* Encodes a picture. aecodec_free_stream releases the stream. */
int aecodec_encode(const aecodec_picture *picture, const aecodec_encode_options *options, uint8_t **data,
                   size_t *length);

/* Releases what aecodec_decode made, and clears the picture. */
void aecodec_free_picture(aecodec_picture *picture);

/* Releases what aecodec_encode made. */
void aecodec_free_stream(uint8_t *data, size_t length);

#ifdef __cplusplus
}
#endif

#endif
