/* Drawing: colours for numbers, and Board, a canvas of cells that mouse, finger and keys can pick. */

// Colour-blind safe: blue - neutral - red for signed numbers, cividis for amounts.
const SIGNED_LIGHT = ["#053061", "#4393c3", "#f7f7f7", "#d6604d", "#67001f"];
const SIGNED_DARK = ["#9fd4ff", "#2f7fb8", "#1b1f25", "#c9553f", "#ffc2ad"];
const AMOUNT = ["#00224e", "#414d6b", "#7c7b78", "#bbae6c", "#fee838"];

function hexToRgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

/** Return 256 colours between the stops, as [r, g, b]. */
function ramp(stops) {
  const colours = stops.map(hexToRgb);
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const left = Math.min(Math.floor(at), stops.length - 2);
    return colours[left].map((value, c) => value + (at - left) * (colours[left + 1][c] - value));
  });
}

const RAMPS = { light: ramp(SIGNED_LIGHT), dark: ramp(SIGNED_DARK), amount: ramp(AMOUNT) };

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen !== "auto") return chosen === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

let signedRamp = RAMPS.light;

/** Follow the page's theme; called once a frame, not once a cell. */
function chooseRamp() {
  signedRamp = isDark() ? RAMPS.dark : RAMPS.light;
}

/** Return the colour of a number between -limit and limit. */
function signedColour(value, limit) {
  return signedRamp[Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, value / (limit || 1))))];
}

/** Return the colour of a number between 0 and limit. */
function amountColour(value, limit) {
  return RAMPS.amount[Math.round(255 * Math.max(0, Math.min(1, value / (limit || 1))))];
}

/** Return a limit that 98 % of the numbers stay within, for a colour scale. */
function scaleOf(values) {
  const sorted = Float32Array.from(values, Math.abs).sort();
  return sorted[Math.floor(0.98 * (sorted.length - 1))] || 1e-6;
}

function largest(values) {
  return values.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-9);
}

/** Return a canvas with one pixel a cell, coloured by colourOf(row, column) -> [r, g, b]. */
function cellCanvas(rows, columns, colourOf) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const data = context.createImageData(columns, rows);
  for (let r = 0, at = 0; r < rows; r++)
    for (let c = 0; c < columns; c++, at += 4) {
      const colour = colourOf(r, c);
      data.data[at] = colour[0];
      data.data[at + 1] = colour[1];
      data.data[at + 2] = colour[2];
      data.data[at + 3] = 255;
    }
  context.putImageData(data, 0, 0);
  return canvas;
}

/** Return the value of a CSS custom property, such as "--token". */
function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A canvas of rows x columns cells. `pick(row, column)` is called on click, touch and Enter; while
    `follow()` also whenever an arrow key moves the cursor. `say(row, column)` tells a screen reader
    where the cursor is then. */
class Board {
  constructor({ rows, columns, cell, cellHeight = cell, label, pick, say, follow = () => true }) {
    Object.assign(this, { rows, columns, cell, cellHeight, cursor: [0, 0] });
    this.canvas = document.createElement("canvas");
    this.canvas.width = 2 * columns * cell; // twice the size on the page: sharp on most screens
    this.canvas.height = 2 * rows * cellHeight;
    this.canvas.className = "board";
    this.canvas.style.maxWidth = `${columns * cell}px`;
    this.context = this.canvas.getContext("2d");
    this.setLabel(label);
    if (pick) this.listen(pick, say, follow);
    else this.canvas.setAttribute("role", "img");
  }

  setLabel(label) {
    this.canvas.setAttribute("aria-label", label);
    this.canvas.title = label;
  }

  listen(pick, say, follow) {
    const { canvas } = this;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.classList.add("pickable");
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const place = (at, size, count) => Math.min(count - 1, Math.max(0, Math.floor((at / size) * count)));
      this.cursor = [
        place(event.clientY - box.top, box.height, this.rows),
        place(event.clientX - box.left, box.width, this.columns),
      ];
      pick(...this.cursor);
    });
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    canvas.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (step) {
        const wrap = (value, count) => (value + count) % count;
        this.cursor = [wrap(this.cursor[0] + step[0], this.rows), wrap(this.cursor[1] + step[1], this.columns)];
        if (follow()) pick(...this.cursor);
        else render();
        announce(say(...this.cursor));
      } else if (event.key === "Enter" || event.key === " ") pick(...this.cursor);
      else return;
      event.preventDefault();
    });
  }

  /** Fill the cells from a small canvas, one of its pixels (or whole blocks of them) a cell. */
  fill(canvas) {
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(canvas, 0, 0, this.canvas.width, this.canvas.height);
  }

  /** Colour each cell by colourOf(row, column). */
  paint(colourOf) {
    this.fill(cellCanvas(this.rows, this.columns, colourOf));
  }

  /** Draw lines between the cells. */
  lines(colour, width = 1) {
    const { context, canvas } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    for (let c = 1; c < this.columns; c++) {
      context.moveTo(2 * c * this.cell, 0);
      context.lineTo(2 * c * this.cell, canvas.height);
    }
    for (let r = 1; r < this.rows; r++) {
      context.moveTo(0, 2 * r * this.cellHeight);
      context.lineTo(canvas.width, 2 * r * this.cellHeight);
    }
    context.stroke();
  }

  /** Frame a rectangle of cells; a dark line around a bright one is seen on every ground. Around a
      thin row or column the frame lies outside, so that it hides none of it. */
  frame(row, column, rows = 1, columns = 1, colour = "#ffd400") {
    const { context, cell, cellHeight } = this;
    const box = [2 * column * cell, 2 * row * cellHeight, 2 * columns * cell, 2 * rows * cellHeight];
    const draw = (inset, width, style) => {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.strokeRect(box[0] + inset, box[1] + inset, box[2] - 2 * inset, box[3] - 2 * inset);
    };
    const inset = Math.min(box[2], box[3]) < 16 ? -3 : 0;
    draw(inset, 6, "rgba(0,0,0,.85)");
    draw(inset, 3, colour);
  }
}

/** Draw signed bars, one a value; `marked` gets a frame. */
function drawBars(board, values, limit, marked, colour) {
  const { context, canvas } = board;
  const width = canvas.width / values.length;
  const middle = canvas.height / 2;
  context.fillStyle = css("--panel");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = css("--line");
  context.fillRect(0, middle - 1, canvas.width, 2);
  values.forEach((value, i) => {
    const height = Math.max(-1, Math.min(1, value / limit)) * (middle - 2);
    context.fillStyle = i === marked ? css("--text") : colour;
    context.fillRect(i * width, height > 0 ? middle - height : middle, Math.max(1, width - 1.5), Math.abs(height));
  });
}
