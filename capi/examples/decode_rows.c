/* Decodes an .aec file to a PPM or PGM file, row by row:
 *
 *   decode_rows IN.aec OUT.ppm
 */
#include <aecodec.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
  FILE *file;
  size_t stride;
} output;

static int write_rows(void *user, const uint8_t *rows, uint32_t count) {
  output *out = user;
  return fwrite(rows, out->stride, count, out->file) != count;
}

static uint8_t *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  size_t room = 1 << 16;
  uint8_t *data = malloc(room);
  *length = 0;
  size_t count;
  while (data && (count = fread(data + *length, 1, room - *length, file)) > 0) {
    *length += count;
    if (*length == room) {
      uint8_t *larger = realloc(data, room *= 2);
      if (!larger) free(data);
      data = larger;
    }
  }
  fclose(file);
  return data;
}

int main(int count, char **args) {
  if (count != 3) {
    fprintf(stderr, "usage: decode_rows IN.aec OUT.ppm\n");
    return 2;
  }
  size_t length;
  uint8_t *data = read_file(args[1], &length);
  if (!data) {
    perror(args[1]);
    return 1;
  }
  aecodec_info info;
  int status = aecodec_read_info(data, length, &info);
  output out = {NULL, 0};
  if (status == AECODEC_OK) {
    out.file = fopen(args[2], "wb");
    out.stride = (size_t)info.width * info.channels;
    if (!out.file) {
      perror(args[2]);
      free(data);
      return 1;
    }
    fprintf(out.file, "P%c\n%u %u\n255\n", info.channels == 1 ? '5' : '6', info.width, info.height);
    aecodec_decode_options options = {.threads = 2};
    status = aecodec_decode_rows(data, length, &options, write_rows, &out);
    if (fclose(out.file) != 0) perror(args[2]);
  }
  if (status != AECODEC_OK) fprintf(stderr, "%s: %s\n", args[1], aecodec_last_error());
  free(data);
  return status;
}
