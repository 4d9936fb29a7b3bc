// Draws the images that the example works on, so that this repository needs no binary files. Yours has images already,
// or the input of each task says where they are.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PNG } from 'pngjs';

/** By name: size, and the colour of each pixel. */
const IMAGES = {
  gradient: { width: 32, height: 24, colour: (x, y) => [x * 8, y * 10, 128] },
  checks: { width: 40, height: 40, colour: (x, y) => ((x + y) % 2 === 0 ? [255, 255, 255] : [0, 0, 0]) },
  stripes: { width: 64, height: 16, colour: (x) => (x % 8 < 4 ? [200, 40, 40] : [40, 40, 200]) },
  flat: { width: 10, height: 30, colour: () => [12, 34, 56] },
};

const folder = join(import.meta.dirname, 'images');
mkdirSync(folder, { recursive: true });
for (const [name, { width, height, colour }] of Object.entries(IMAGES)) {
  const image = new PNG({ width, height });
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) image.data.set([...colour(x, y), 255], (y * width + x) * 4);
  }
  writeFileSync(join(folder, `${name}.png`), PNG.sync.write(image));
}
