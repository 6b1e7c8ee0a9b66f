// Turns pixels as the orientation of EXIF says.

/** Returns the upright picture of `rgba`, which is stored in an orientation from 1 to 8. */
export function turned({ rgba, width, height }, orientation) {
  const source = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const target = new Uint32Array(width * height);
  const sideways = orientation > 4;
  const [columns, rows] = sideways ? [height, width] : [width, height];
  const mirrored = [2, 3, 7, 8];
  const flipped = [3, 4, 6, 7];
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, at++) {
      let [column, row] = sideways ? [y, x] : [x, y];
      if (mirrored.includes(orientation)) column = width - 1 - column;
      if (flipped.includes(orientation)) row = height - 1 - row;
      target[at] = source[row * width + column];
    }
  }
  return { rgba: new Uint8Array(target.buffer), width: columns, height: rows };
}
