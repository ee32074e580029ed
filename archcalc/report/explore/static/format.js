// Numbers for people, rounded as archcalc/report/units.py does; all arithmetic before is exact.

const SCALES = {
  si: { steps: [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]], digits: 4 },
  zh: { steps: [[1e12, "万亿"], [1e8, "亿"], [1e4, "万"]], digits: 3 },
};
const BINARY = [[2 ** 40, " TiB"], [2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"]];

/** All digits, in groups of three. */
const exact = (value) => value.toLocaleString("en-US");

const scaled = (value, steps, digits, small) => {
  const size = Math.abs(Number(value));
  for (const [unit, name] of steps) {
    const number = Number((size / unit).toPrecision(digits));
    if (number < 1) continue;
    const whole = String(Math.trunc(number)).length;
    return (value < 0 ? "−" : "") + (size / unit).toFixed(Math.max(digits - whole, 0)) + name;
  }
  return small;
};

const count = (value) => {
  if (value === null || value === undefined) return "–";
  if (state.units === "exact") return exact(value);
  const { steps, digits } = SCALES[state.units];
  return scaled(value, steps, digits, exact(value));
};

const bytes = (value) => {
  if (value === null || value === undefined) return "–";
  if (state.units === "exact") return `${exact(value)} B`;
  return scaled(value, BINARY, 3, `${exact(value)} B`);
};

const milliseconds = (seconds) => `${(Number(seconds) * 1e3).toPrecision(3)} ms`;

const percent = (share) => `${(100 * share).toFixed(1)} %`;

const ratio = (value) =>
  value >= 100 ? `${Math.round(value).toLocaleString("en-US")}×` : `${value.toPrecision(3)}×`;

/** Sums of Numbers and BigInts; the result is a BigInt as soon as one of them is. */
const plus = (a, b) => (typeof a === typeof b ? a + b : BigInt(a) + BigInt(b));
const minus = (a, b) => (typeof a === typeof b ? a - b : BigInt(a) - BigInt(b));

/** A shape as the papers write it: H×W×C for images of a declared network. */
const shapeText = (shape, declared) => {
  if (!shape || !shape.length) return "";
  if (!declared || shape.length !== 4) return shape.join("×");
  const [n, c, h, w] = shape;
  return `${Number(n) === 1 ? "" : `${n}×`}${h}×${w}×${c}`;
};
