/**
 * One picture of a DICOM file as pixels to show: read strictly, within limits, from bytes that anybody may have made.
 *
 * Ours and small, for what this page needs: uncompressed and RLE frames are drawn here, JPEG baseline frames are handed on for
 * the browser's own decoder, everything else is refused with its reason. Rules: DICOM PS3.3 C.7.6.3 and C.11, PS3.5 6, 7, A, G.
 */

import { readElements, fragments, type Elements } from "./dicom_elements.ts";
import { InvalidFile } from "./errors.ts";

/** Pixels of the largest picture that is drawn. */
export const MAX_PIXELS = 2 ** 24;
const MAX_FRAMES = 10_000;
const JPEG_BASELINE = "1.2.840.10008.1.2.4.50";
const RLE = "1.2.840.10008.1.2.5";

/** What to show: the frame (from 0), and for grey pictures the window, in the file's own units. */
export interface Options {
  readonly frame?: number;
  readonly center?: number;
  readonly width?: number;
}

/** `center` and `windowWidth` are what grey values were drawn with; null for a picture in colour. */
export interface Drawn {
  readonly kind: "drawn";
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  /** Red, green, blue and 255 for each pixel, line by line. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly center: number | null;
  readonly windowWidth: number | null;
}

/** A frame that is a JPEG file: the browser decodes it. */
export interface Coded {
  readonly kind: "jpeg";
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly jpeg: Uint8Array<ArrayBuffer>;
}

interface Image {
  readonly rows: number;
  readonly columns: number;
  readonly samples: number;
  readonly bytes: number;
  readonly stored: number;
  readonly signed: boolean;
  readonly photometric: string;
  readonly frames: number;
}

/**
 * Draw one picture.
 *
 * @param file a DICOM file (Part 10), whole.
 * @throws InvalidFile no such file, damaged, too large, or of a kind that this page cannot draw; says which.
 */
export function drawSlice(file: Uint8Array, options: Options = {}): Drawn | Coded {
  const found = readElements(file);
  const image = imageOf(found);
  const frame = options.frame ?? 0;
  if (!Number.isInteger(frame) || frame < 0 || frame >= image.frames) throw new InvalidFile("The DICOM file has no such picture.");
  const { rows: height, columns: width, frames } = image;
  if (found.syntax === JPEG_BASELINE) {
    return { kind: "jpeg", width, height, frames, jpeg: new Uint8Array(coded(found, frame, frames)) };
  }
  const samples = found.syntax === RLE ? unpacked(coded(found, frame, frames), image) : planes(found, image, frame);
  const shared = { kind: "drawn", width, height, frames } as const;
  if (image.samples === 3) return { ...shared, rgba: colours(samples, image), center: null, windowWidth: null };
  if (image.photometric === "PALETTE COLOR") {
    return { ...shared, rgba: palette(samples[0] ?? [], image, found), center: null, windowWidth: null };
  }
  return { ...shared, ...grey(samples[0] ?? [], image, found, options) };
}

function imageOf(found: Elements): Image {
  const rows = found.number("00280010");
  const columns = found.number("00280011");
  const samples = found.number("00280002", 1);
  const allocated = found.number("00280100");
  const stored = found.number("00280101", allocated);
  const frames = found.decimals("00280008")[0] ?? 1;
  const photometric = found.text("00280004");
  if (rows < 1 || columns < 1 || rows * columns > MAX_PIXELS) throw new InvalidFile("The DICOM picture is empty, or too large to be drawn here.");
  if (!Number.isInteger(frames) || frames < 1 || frames > MAX_FRAMES) throw new InvalidFile("The DICOM file has no or too many pictures.");
  const known = samples === 1
    ? ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"]
    : ["RGB", "YBR_FULL", ...(found.syntax === JPEG_BASELINE ? ["YBR_FULL_422"] : [])];
  const bits = samples === 1 ? [8, 16] : [8];
  const high = found.number("00280102", stored - 1);
  if (![1, 3].includes(samples) || !known.includes(photometric) || !bits.includes(allocated) || stored < 1 || stored > allocated || high !== stored - 1) {
    throw new InvalidFile("This kind of DICOM picture cannot be drawn here. Ask your institution to show it to you.");
  }
  const signed = found.number("00280103", 0) === 1;
  return { rows, columns, samples, bytes: allocated / 8, stored, signed, photometric, frames };
}

/** The encoded bytes of one frame of an encapsulated picture. */
function coded(found: Elements, frame: number, frames: number): Uint8Array {
  const [, ...pieces] = fragments(found.pixels(), found.littleEndian);
  if (frames === 1) {
    const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    if (whole.length === 0) throw new InvalidFile("The DICOM file has no pixels.");
    return whole;
  }
  const piece = pieces[frame];
  // A frame in several pieces is rare, and its place in the file not certain: nothing is guessed.
  if (pieces.length !== frames || piece === undefined) throw new InvalidFile("The pictures of this DICOM file are cut in pieces that cannot be told apart.");
  return piece;
}

/** The stored values of each sample of an uncompressed frame. */
function planes(found: Elements, image: Image, frame: number): readonly ArrayLike<number>[] {
  const { data, undefinedLength } = found.pixels();
  if (undefinedLength) throw new InvalidFile("The DICOM file does not say how its pixels are compressed.");
  const count = image.rows * image.columns;
  const size = count * image.samples * image.bytes;
  const start = frame * size;
  if (start + size > data.length) throw new InvalidFile("The DICOM file has fewer pixels than it says.");
  const view = new DataView(data.buffer, data.byteOffset + start, size);
  const value = image.bytes === 1 ? (i: number) => view.getUint8(i) : (i: number) => view.getUint16(2 * i, found.littleEndian);
  const byPlane = image.samples === 3 && found.number("00280006", 0) === 1;
  return Array.from({ length: image.samples }, (_, sample) => {
    const plane = new Uint16Array(count);
    for (let i = 0; i < count; i++) plane[i] = value(byPlane ? sample * count + i : i * image.samples + sample);
    return plane;
  });
}

/** The stored values of each sample of an RLE frame (PS3.5, annex G): one segment for each byte, the highest first. */
function unpacked(data: Uint8Array, image: Image): readonly ArrayLike<number>[] {
  const broken = new InvalidFile("The compressed pixels of the DICOM file are damaged.");
  const segments = image.samples * image.bytes;
  if (data.length < 64) throw broken;
  const head = new DataView(data.buffer, data.byteOffset, 64);
  if (head.getUint32(0, true) !== segments) throw broken;
  const count = image.rows * image.columns;
  const bounds = Array.from({ length: segments }, (_, i) => head.getUint32(4 * (i + 1), true));
  const bytes = bounds.map((start, i) => {
    const end = bounds[i + 1] ?? data.length;
    const found = start < 64 || end < start || end > data.length ? null : unpackBits(data.subarray(start, end), count);
    if (found === null) throw broken;
    return found;
  });
  return Array.from({ length: image.samples }, (_, sample) => {
    const [high = new Uint8Array(count), low] = bytes.slice(sample * image.bytes, (sample + 1) * image.bytes);
    return low === undefined ? high : Uint16Array.from(high, (byte, i) => (byte << 8) | (low[i] ?? 0));
  });
}

/** PackBits; null when it gives fewer bytes than there are pixels. */
function unpackBits(data: Uint8Array, count: number): Uint8Array | null {
  const out = new Uint8Array(count);
  let to = 0;
  for (let at = 0; at < data.length && to < count; ) {
    const n = data[at++] ?? 128;
    if (n === 128) continue;
    if (n < 128) {
      const run = data.subarray(at, at + Math.min(n + 1, count - to));
      out.set(run, to);
      to += run.length;
      at += n + 1;
    } else {
      const end = Math.min(to + 257 - n, count);
      if (at >= data.length) return null;
      out.fill(data[at++] ?? 0, to, end);
      to = end;
    }
  }
  return to === count ? out : null;
}

/** Grey values through rescale (C.11.1) and window (C.11.2). */
function grey(
  raw: ArrayLike<number>, image: Image, found: Elements, options: Options,
): Pick<Drawn, "rgba" | "center" | "windowWidth"> {
  const slope = found.decimals("00281053")[0] ?? 1;
  const intercept = found.decimals("00281052")[0] ?? 0;
  // A byte and a word have few values: each is worked out once.
  const values = new Float64Array(2 ** (8 * image.bytes));
  const [mask, sign] = [2 ** image.stored - 1, image.signed ? 2 ** (image.stored - 1) : 0];
  for (let i = 0; i < values.length; i++) {
    const stored = i & mask;
    values[i] = (sign !== 0 && stored >= sign ? stored - 2 * sign : stored) * slope + intercept;
  }
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < raw.length; i++) {
    const value = values[raw[i] ?? 0] ?? 0;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const center = options.center ?? found.decimals("00281050")[0];
  const width = options.width ?? found.decimals("00281051")[0];
  // Without a window of its own, the whole range of the picture.
  const used = center !== undefined && width !== undefined && !(width < 1)
    ? { center, width }
    : { center: (least + most + 1) / 2, width: most - least + 1 };
  if (![slope, intercept, used.center, used.width].every(Number.isFinite)) {
    throw new InvalidFile("The numbers for the brightness of this picture are damaged.");
  }
  const curve = curveOf(found.text("00281056"), used.center, used.width);
  const inverted = image.photometric === "MONOCHROME1";
  const shades = Uint8ClampedArray.from(values, (value) => {
    const shade = curve(value) * 255;
    return inverted ? 255 - shade : shade;
  });
  const rgba = new Uint8ClampedArray(4 * raw.length);
  for (let i = 0; i < raw.length; i++) {
    const shade = shades[raw[i] ?? 0] ?? 0;
    rgba[4 * i] = rgba[4 * i + 1] = rgba[4 * i + 2] = shade;
    rgba[4 * i + 3] = 255;
  }
  return { rgba, center: used.center, windowWidth: used.width };
}

/** Value to brightness from 0 to 1 (PS3.3, C.11.2.1.2 and C.11.2.1.3). */
function curveOf(kind: string, center: number, width: number): (value: number) => number {
  if (kind === "SIGMOID") return (value) => 1 / (1 + Math.exp((-4 * (value - center)) / width));
  const exact = kind === "LINEAR_EXACT";
  const [middle, span] = exact ? [center, width] : [center - 0.5, width - 1];
  return (value) => (value <= middle - span / 2 ? 0 : value > middle + span / 2 ? 1 : (value - middle) / span + 0.5);
}

function colours(samples: readonly ArrayLike<number>[], image: Image): Uint8ClampedArray<ArrayBuffer> {
  const [one = [], two = [], three = []] = samples;
  const rgba = new Uint8ClampedArray(4 * one.length);
  for (let i = 0; i < one.length; i++) {
    const [a, b, c] = [one[i] ?? 0, two[i] ?? 0, three[i] ?? 0];
    // YBR_FULL: the full-range equations of JFIF (PS3.3, C.7.6.3.1.2).
    const [red, green, blue] = image.photometric === "RGB"
      ? [a, b, c]
      : [a + 1.402 * (c - 128), a - 0.344136 * (b - 128) - 0.714136 * (c - 128), a + 1.772 * (b - 128)];
    rgba.set([red, green, blue, 255], 4 * i);
  }
  return rgba;
}

/** Colours looked up in the file's own tables (PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6). */
function palette(raw: ArrayLike<number>, image: Image, found: Elements): Uint8ClampedArray<ArrayBuffer> {
  const tables = ["1", "2", "3"].map((n) => {
    const [count = 0, first = 0, bits = 0] = found.numbers(`0028110${n}`);
    const entries = count === 0 ? 65_536 : count;
    const data = found.bytes(`0028120${n}`);
    const wide = data.length >= 2 * entries;
    if (![8, 16].includes(bits) || (!wide && data.length < entries)) throw new InvalidFile("The colours of the DICOM picture are damaged.");
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const value = (i: number): number => {
      const word = wide ? view.getUint16(2 * i, found.littleEndian) : view.getUint8(i);
      return bits === 16 ? word >> 8 : word & 255;
    };
    return (stored: number): number => value(Math.min(Math.max(stored - first, 0), entries - 1));
  });
  const mask = 2 ** image.stored - 1;
  const rgba = new Uint8ClampedArray(4 * raw.length);
  for (let i = 0; i < raw.length; i++) {
    const stored = (raw[i] ?? 0) & mask;
    rgba.set([...tables.map((table) => table(stored)), 255], 4 * i);
  }
  return rgba;
}
