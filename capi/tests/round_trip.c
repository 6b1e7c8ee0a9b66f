/* Encodes, decodes and frees, and passes what is wrong to every function. */
#include <aecodec.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(aecodec_info) == 12, "the layout of Info");
_Static_assert(sizeof(aecodec_decode_options) == 24, "the layout of DecodeOptions");
_Static_assert(sizeof(aecodec_encode_options) == 16, "the layout of EncodeOptions");

static int stop(void *user, const uint8_t *rows, uint32_t count) {
  (void)rows;
  *(uint32_t *)user += count;
  return 1;
}

int main(void) {
  static uint8_t samples[70 * 50 * 3], alpha[70 * 50];
  for (size_t i = 0; i < sizeof samples; i++) samples[i] = (uint8_t)(i / 70 + i % 3);
  for (size_t i = 0; i < sizeof alpha; i++) alpha[i] = (uint8_t)i;
  aecodec_picture picture = {70, 50, 3, 6, samples, alpha};
  aecodec_encode_options options = {.quality = 60, .lossless = 1};
  uint8_t *data = NULL;
  size_t length = 0;
  assert(aecodec_encode(&picture, &options, &data, &length) == AECODEC_OK);
  assert(strlen(aecodec_last_error()) == 0 && strlen(aecodec_version()) > 0);

  aecodec_info info;
  assert(aecodec_read_info(data, length, &info) == AECODEC_OK);
  assert(info.width == 70 && info.height == 50 && info.channels == 3);
  assert(info.alpha == 1 && info.orientation == 6 && info.exact == 1);

  aecodec_picture found;
  assert(aecodec_decode(data, length, NULL, &found) == AECODEC_OK);
  assert(found.width == 70 && found.height == 50 && found.orientation == 6);
  assert(memcmp(found.samples, samples, sizeof samples) == 0);
  assert(memcmp(found.alpha, alpha, sizeof alpha) == 0);
  aecodec_free_picture(&found);
  assert(found.samples == NULL && found.width == 0);
  aecodec_free_picture(&found);
  aecodec_free_picture(NULL);

  aecodec_decode_options small = {.longest = 14};
  assert(aecodec_decode(data, length, &small, &found) == AECODEC_OK);
  assert(found.width == 14 && found.height == 10);
  aecodec_free_picture(&found);

  uint32_t rows = 0;
  assert(aecodec_decode_rows(data, length, NULL, stop, &rows) == AECODEC_STOPPED && rows > 0);
  assert(aecodec_decode_rows(data, length, &small, stop, &rows) == AECODEC_ARGUMENT);
  assert(aecodec_decode_rows(data, length, NULL, NULL, NULL) == AECODEC_ARGUMENT);
  assert(aecodec_read_info(NULL, 5, &info) == AECODEC_ARGUMENT);
  assert(aecodec_read_info(data, length, NULL) == AECODEC_ARGUMENT);
  assert(aecodec_read_info(data, 20, &info) == AECODEC_INVALID);
  assert(strlen(aecodec_last_error()) > 0);
  aecodec_decode_options little = {.pixels = 100};
  assert(aecodec_decode(data, length, &little, &found) == AECODEC_LIMIT && found.samples == NULL);
  assert(aecodec_decode(data, length - 9, NULL, &found) == AECODEC_DAMAGED && found.samples != NULL);
  aecodec_free_picture(&found);
  aecodec_free_stream(data, length);
  aecodec_free_stream(NULL, 0);

  picture.channels = 2;
  assert(aecodec_encode(&picture, &options, &data, &length) == AECODEC_ARGUMENT);
  picture.channels = 3;
  options.quality = 101;
  assert(aecodec_encode(&picture, &options, &data, &length) == AECODEC_ARGUMENT);
  assert(aecodec_encode(NULL, &options, &data, &length) == AECODEC_ARGUMENT);
  puts("all is well");
  return 0;
}
