// Makes one image smaller, by the mean of the pixels under each new one. The input comes as JSON on standard input:
//
//   { "file": "images/gradient.png", "width": 8 }
//
// and the result leaves as the last line of standard output, the new image in Base64:
//
//   { "file": "images/gradient.png", "width": 8, "height": 6, "png": "iVBORw0…" }
import { readFileSync } from 'node:fs';
import { join, normalize, sep } from 'node:path';
import { PNG } from 'pngjs';

const { file, width } = JSON.parse(readFileSync(0, 'utf8'));
if (typeof file !== 'string' || !normalize(file).startsWith(`images${sep}`)) fail('"file" must be one of images/');
if (!Number.isInteger(width) || width < 1) fail('"width" must be a whole number above 0');

const source = PNG.sync.read(readFileSync(join(import.meta.dirname, file)));
if (width > source.width) fail(`the image is only ${source.width} wide`);

const height = Math.max(1, Math.round((source.height * width) / source.width));
const target = new PNG({ width, height });
for (let y = 0; y < height; y += 1) {
  for (let x = 0; x < width; x += 1) {
    for (let channel = 0; channel < 4; channel += 1) {
      target.data[(y * width + x) * 4 + channel] = mean(
        channel,
        span(x, width, source.width),
        span(y, height, source.height),
      );
    }
  }
}
console.log(JSON.stringify({ file, width, height, png: PNG.sync.write(target).toString('base64') }));

/** The old pixels under a new one, at least one of them. */
function span(at, newLength, oldLength) {
  const start = Math.floor((at * oldLength) / newLength);
  return [start, Math.max(start + 1, Math.floor(((at + 1) * oldLength) / newLength))];
}

function mean(channel, [left, right], [top, bottom]) {
  let sum = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) sum += source.data[(y * source.width + x) * 4 + channel];
  }
  return Math.round(sum / ((right - left) * (bottom - top)));
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
