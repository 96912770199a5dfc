"use strict";
/* The network: an MLP-Mixer's forward pass in plain JavaScript, and what can be switched off in it.

   Shapes: S tokens, C channels of a token, D_S and D_C hidden widths. Every table is a
   Float32Array, row by row: table[token * C + channel]. This file knows nothing of the page; it runs
   in the worker, in the page (for the small sums that the page shows) and in node (for the tests). */

const IMAGE = 32; // pixels a side
const EPSILON = 1e-6; // of LayerNorm, as in hdd.models.cnn.mlp_mixer

/** Return the float of an IEEE half-precision bit pattern. */
function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Return {name: Float32Array} from half-precision bytes and their manifest [[name, shape], ...]. */
function unpackHalf(buffer, manifest) {
  const bits = new Uint16Array(buffer);
  const weights = {};
  let start = 0;
  for (const [name, shape] of manifest) {
    const size = shape.reduce((a, b) => a * b, 1);
    weights[name] = Float32Array.from(bits.subarray(start, start + size), halfToFloat);
    start += size;
  }
  if (start !== bits.length) throw new Error(`${bits.length} weights, the manifest wants ${start}`);
  return weights;
}

/** Return the error function; the absolute error is below 1.5e-7 (Abramowitz and Stegun 7.1.26). */
function erf(x) {
  const a = Math.abs(x);
  const t = 1 / (1 + 0.3275911 * a);
  const series =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const value = 1 - series * Math.exp(-a * a);
  return x < 0 ? -value : value;
}

/** Return x · Φ(x), the exact GELU. */
function gelu(x) {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

// Φ on [-6, 6] in steps of 1/512: between two entries a straight line is off by less than 2e-7.
const PHI_STEPS = 512;
const REACH = 6;
const PHI = Float64Array.from({ length: 2 * REACH * PHI_STEPS + 2 }, (_, i) => {
  return 0.5 * (1 + erf((i / PHI_STEPS - REACH) * Math.SQRT1_2));
});

/** Apply GELU to every value; a table of Φ spares 295,000 exponentials an image. */
function geluInPlace(values) {
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    if (x >= REACH) continue;
    if (x <= -REACH) {
      values[i] = 0;
      continue;
    }
    const at = (x + REACH) * PHI_STEPS;
    const left = at | 0;
    values[i] = x * (PHI[left] + (at - left) * (PHI[left + 1] - PHI[left]));
  }
}

/** Return X Wᵀ + b: rows (n, k), weight (m, k), bias (m) -> (n, m). */
function linear(rows, weight, bias, n) {
  const m = bias.length;
  const k = weight.length / m;
  const out = new Float32Array(n * m);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < m; j++) out[i * m + j] = bias[j] + dot(rows, i * k, weight, j * k, k);
  return out;
}

/** Return a function like `linear`, five to ten times as fast: linear.wat does the sums.

    The weights go into its memory once, transposed; behind them is room for one call's numbers.
    Without WebAssembly's SIMD, or for sizes that the kernel does not take, `linear` does the work. */
function fastLinear(wasm, weights) {
  if (!wasm || typeof WebAssembly === "undefined" || !WebAssembly.validate(wasm)) return linear;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm));
  const lists = Object.values(weights);
  const total = lists.reduce((sum, list) => sum + list.length, 0);
  exports.memory.grow(Math.ceil((4 * total + 2 ** 20) / 2 ** 16)); // pages of 64 KiB
  const memory = new Float32Array(exports.memory.buffer);
  const places = new Map(); // weights -> where they are, in floats
  let next = 0;
  const reserve = (size) => {
    const place = next;
    next += 16 * Math.ceil(size / 16);
    return place;
  };
  const placeOf = (weight, m) => {
    if (!places.has(weight)) {
      places.set(weight, reserve(weight.length));
      memory.set(transpose(weight, m, weight.length / m), places.get(weight));
    }
    return places.get(weight);
  };
  return (rows, weight, bias, n) => {
    const m = bias.length;
    if (n % 2 || m % 16) return linear(rows, weight, bias, n);
    const place = placeOf(weight, m);
    const biasPlace = placeOf(bias, 1);
    const scratch = memory.length - rows.length - n * m;
    memory.set(rows, scratch);
    const out = scratch + rows.length;
    exports.linear(4 * scratch, 4 * place, 4 * biasPlace, 4 * out, n, weight.length / m, m);
    return memory.slice(out, out + n * m);
  };
}

function dot(a, startA, b, startB, length) {
  let sum = 0;
  for (let p = 0; p < length; p++) sum += a[startA + p] * b[startB + p];
  return sum;
}

/** Return LayerNorm over the last axis: (n, gain.length) -> the same. */
function layerNorm(rows, gain, shift) {
  const c = gain.length;
  const out = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += c) {
    let mean = 0;
    for (let p = 0; p < c; p++) mean += rows[start + p];
    mean /= c;
    let variance = 0;
    for (let p = 0; p < c; p++) variance += (rows[start + p] - mean) ** 2;
    const scale = 1 / Math.sqrt(variance / c + EPSILON);
    for (let p = 0; p < c; p++) out[start + p] = (rows[start + p] - mean) * scale * gain[p] + shift[p];
  }
  return out;
}

/** Return the transpose of (n, m). */
function transpose(table, n, m) {
  const out = new Float32Array(table.length);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[j * n + i] = table[i * m + j];
  return out;
}

function add(a, b) {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i] + b[i];
  return out;
}

function softmax(logits) {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (value) => Math.exp(value - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
}

/** Return the settings of an untouched network of this depth. */
function untouched(depth) {
  return {
    depth, // how many blocks are used; the rest is skipped
    tokenOff: Array(depth).fill(false), // a half that is off adds nothing: the residual alone passes
    channelOff: Array(depth).fill(false),
    silenced: [], // {block, kind: "token" | "channel", unit}: its activation is set to zero
  };
}

class Mixer {
  /** weights: {name: Float32Array} under PyTorch's names; statistics: {mean, std} of the data;
      wasm: the bytes of linear.wasm, or null for plain JavaScript. */
  constructor(weights, manifest, statistics, wasm = null) {
    const shapes = Object.fromEntries(manifest);
    this.linear = fastLinear(wasm, weights);
    this.weights = weights;
    this.statistics = statistics;
    [this.channels, , this.patch] = shapes["patch_embedding.weight"];
    [this.tokenHidden, this.tokens] = shapes["blocks.0.token_mixing.fc1.weight"];
    [this.channelHidden] = shapes["blocks.0.channel_mixing.fc1.weight"];
    [this.classes] = shapes["head.weight"];
    this.grid = IMAGE / this.patch;
    this.depth = manifest.filter(([name]) => name.endsWith("token_norm.bias")).length;
  }

  /** Return a weight of block b, such as part(0, "token_mixing.fc1.weight"). */
  part(block, name) {
    return this.weights[`blocks.${block}.${name}`];
  }

  /** Return the patches as rows (S, 3·P·P), normalised, from rgb bytes (32·32·3). */
  patches(rgb) {
    const { mean, std } = this.statistics;
    const { patch, grid, tokens } = this;
    const size = 3 * patch * patch;
    const rows = new Float32Array(tokens * size);
    for (let t = 0; t < tokens; t++) {
      const top = Math.floor(t / grid) * patch;
      const left = (t % grid) * patch;
      for (let colour = 0, at = t * size; colour < 3; colour++)
        for (let y = 0; y < patch; y++)
          for (let x = 0; x < patch; x++, at++) {
            const byte = rgb[((top + y) * IMAGE + left + x) * 3 + colour];
            rows[at] = (byte / 255 - mean[colour]) / std[colour];
          }
    }
    return rows;
  }

  /** Return the table that enters block 1: (S, C). */
  stem(patches) {
    const { weights } = this;
    const bias = weights["patch_embedding.bias"];
    return this.linear(patches, weights["patch_embedding.weight"], bias, this.tokens);
  }

  /** Return what one half adds, and its hidden values: rows (n, features) -> {out, hidden}. */
  mlp(rows, n, block, name, silenced) {
    const get = (rest) => this.part(block, `${name}.${rest}`);
    const hidden = this.linear(rows, get("fc1.weight"), get("fc1.bias"), n);
    geluInPlace(hidden);
    const width = hidden.length / n;
    for (const unit of silenced) for (let i = 0; i < n; i++) hidden[i * width + unit] = 0;
    return { hidden, out: this.linear(hidden, get("fc2.weight"), get("fc2.bias"), n) };
  }

  /** Run block b on the table x (S, C). Hidden values: token (C, D_S), channel (S, D_C), or null. */
  block(x, b, settings) {
    const { tokens, channels } = this;
    const quiet = (kind) =>
      settings.silenced.filter((u) => u.block === b && u.kind === kind).map((u) => u.unit);
    let tokenHidden = null;
    let channelHidden = null;
    let afterToken = x;
    if (!settings.tokenOff[b]) {
      const y = layerNorm(x, this.part(b, "token_norm.weight"), this.part(b, "token_norm.bias"));
      const columns = transpose(y, tokens, channels); // (C, S): now a row is a channel
      const { out, hidden } = this.mlp(columns, channels, b, "token_mixing", quiet("token"));
      tokenHidden = hidden;
      afterToken = add(x, transpose(out, channels, tokens));
    }
    let after = afterToken;
    if (!settings.channelOff[b]) {
      const gain = this.part(b, "channel_norm.weight");
      const y = layerNorm(afterToken, gain, this.part(b, "channel_norm.bias")); // (S, C)
      const { out, hidden } = this.mlp(y, tokens, b, "channel_mixing", quiet("channel"));
      channelHidden = hidden;
      after = add(afterToken, out);
    }
    return { tokenHidden, channelHidden, afterToken, after };
  }

  /** Return {normed (S, C), pooled (C), logits (classes)} of the last table. */
  classify(x) {
    const { weights, tokens, channels } = this;
    const normed = layerNorm(x, weights["norm.weight"], weights["norm.bias"]);
    const pooled = new Float32Array(channels);
    for (let t = 0; t < tokens; t++)
      for (let c = 0; c < channels; c++) pooled[c] += normed[t * channels + c] / tokens;
    const logits = new Float32Array(this.classes);
    for (let k = 0; k < this.classes; k++)
      logits[k] =
        weights["head.bias"][k] + dot(pooled, 0, weights["head.weight"], k * channels, channels);
    return { normed, pooled, logits };
  }

  /** Run everything and keep every stage: {tables: [stem, after block 1, ...], blocks, ...}. */
  forward(rgb, settings) {
    const tables = [this.stem(this.patches(rgb))];
    const blocks = [];
    for (let b = 0; b < settings.depth; b++) {
      blocks.push(this.block(tables[b], b, settings));
      tables.push(blocks[b].after);
    }
    return { tables, blocks, ...this.classify(tables[settings.depth]) };
  }

  /** Return how much each token moves at every stage if patch i loses its content.

      Patch i is replaced by the mean colour of the training images (zeros after normalisation).
      Entry [stage * S + t] is |x' - x| / |x| for row t of the table at that stage. */
  dependence(rgb, settings, tables, i) {
    const patches = this.patches(rgb);
    const size = patches.length / this.tokens;
    patches.fill(0, i * size, (i + 1) * size);
    const result = new Float32Array((settings.depth + 1) * this.tokens);
    let x = this.stem(patches);
    for (let stage = 0; ; stage++) {
      result.set(this.relativeChange(x, tables[stage]), stage * this.tokens);
      if (stage === settings.depth) return result;
      x = this.block(x, stage, settings).after;
    }
  }

  /** The same for block b alone: row i of its input is replaced by the mean of all rows. */
  dependenceInBlock(b, settings, tables, i) {
    const { tokens, channels } = this;
    const x = tables[b].slice();
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += tables[b][t * channels + c];
      x[i * channels + c] = sum / tokens;
    }
    return this.relativeChange(this.block(x, b, settings).after, tables[b + 1]);
  }

  relativeChange(changed, base) {
    const { tokens, channels } = this;
    const result = new Float32Array(tokens);
    for (let t = 0; t < tokens; t++) {
      let difference = 0;
      let length = 0;
      for (let p = t * channels; p < (t + 1) * channels; p++) {
        difference += (changed[p] - base[p]) ** 2;
        length += base[p] ** 2;
      }
      result[t] = Math.sqrt(difference / Math.max(length, 1e-30));
    }
    return result;
  }
}
