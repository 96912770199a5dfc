/* Images: 32 x 32 x 3 bytes, what is done to them, and where they come from (a file, a drawing). */

const PATCH = 4;
const GRID = IMAGE / PATCH;

/** Return the changes that leave an image as it is. */
function noChanges() {
  return {
    places: Array.from({ length: GRID * GRID }, (_, p) => p), // place -> which patch lies there
    dark: Array(GRID * GRID).fill(false), // places that are black
    shift: [0, 0], // pixels to the right, pixels down
    shuffled: false, // whether `places` is a random order of all patches
  };
}

function isUnchanged({ places, dark, shift }) {
  return places.every((patch, p) => patch === p) && !dark.includes(true) && !shift[0] && !shift[1];
}

/** Return the image after its changes: first the shift, then the patches, then the black places.

    What a shift brings in from outside is the mean colour of the training images. */
function compose(rgb, { places, dark, shift }, mean) {
  const moved = shiftImage(rgb, shift, mean);
  const out = new Uint8Array(rgb.length);
  places.forEach((patch, place) => {
    if (!dark[place]) copyPatch(moved, patch, out, place);
  });
  return out;
}

function shiftImage(rgb, [right, down], mean) {
  if (!right && !down) return rgb;
  const out = new Uint8Array(rgb.length);
  for (let y = 0; y < IMAGE; y++)
    for (let x = 0; x < IMAGE; x++) {
      const fromX = x - right;
      const fromY = y - down;
      const inside = fromX >= 0 && fromX < IMAGE && fromY >= 0 && fromY < IMAGE;
      for (let c = 0; c < 3; c++)
        out[(y * IMAGE + x) * 3 + c] = inside
          ? rgb[(fromY * IMAGE + fromX) * 3 + c]
          : Math.round(255 * mean[c]);
    }
  return out;
}

function copyPatch(from, patch, to, place) {
  const corner = (p) => (Math.floor(p / GRID) * PATCH * IMAGE + (p % GRID) * PATCH) * 3;
  for (let y = 0; y < PATCH; y++) {
    const start = corner(patch) + y * IMAGE * 3;
    to.set(from.subarray(start, start + PATCH * 3), corner(place) + y * IMAGE * 3);
  }
}

/** Return an order of 0 … n - 1, the same for the same seed (mulberry32 and Fisher–Yates). */
function shuffledOrder(n, seed) {
  let s = seed | 0;
  const random = () => {
    s = (s + 0x6d2b79f5) | 0;
    let r = Math.imul(s ^ (s >>> 15), 1 | s);
    r = (r + Math.imul(r ^ (r >>> 7), 61 | r)) ^ r;
    return ((r ^ (r >>> 14)) >>> 0) / 2 ** 32;
  };
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Return rgb bytes as a 32 x 32 canvas. */
function toCanvas(rgb) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = IMAGE;
  const context = canvas.getContext("2d");
  const data = context.createImageData(IMAGE, IMAGE);
  for (let i = 0; i < IMAGE * IMAGE; i++) {
    data.data.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
    data.data[4 * i + 3] = 255;
  }
  context.putImageData(data, 0, 0);
  return canvas;
}

/** Return rgb bytes of a picture: its middle square, scaled to 32 x 32, on white. */
function scaleDown(picture, width, height) {
  const side = Math.min(width, height);
  let size = side;
  let source = picture;
  let [left, top] = [(width - side) / 2, (height - side) / 2];
  let canvas;
  do {
    // Halving again and again averages all pixels; one big step would skip most of them.
    const next = Math.max(IMAGE, Math.floor(size / 2));
    canvas = document.createElement("canvas");
    canvas.width = canvas.height = next;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff";
    context.fillRect(0, 0, next, next);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, left, top, size, size, 0, 0, next, next);
    [source, size, left, top] = [canvas, next, 0, 0];
  } while (size > IMAGE);
  const { data } = canvas.getContext("2d").getImageData(0, 0, IMAGE, IMAGE);
  return Uint8Array.from({ length: IMAGE * IMAGE * 3 }, (_, i) => data[Math.floor(i / 3) * 4 + (i % 3)]);
}

/** Return rgb bytes of an image file; rejects if the browser cannot read it. */
async function readImageFile(file) {
  const bitmap = await createImageBitmap(file);
  return scaleDown(bitmap, bitmap.width, bitmap.height);
}
