import { concatBytes, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

import vectors from "../../../../tests/vectors/dicom.json";
import { drawSlice, type Drawn } from "./dicom.ts";
import { InvalidFile } from "./errors.ts";

const drawn = (file: Uint8Array, options = {}): Drawn => {
  const found = drawSlice(file, options);
  if (found.kind !== "drawn") throw new Error("It was not drawn.");
  return found;
};
const file = (about: string): Uint8Array => hexToBytes(vectors.cases.find((one) => one.about === about)?.file ?? "");
const plain = file("16 bit, window");

test.each(vectors.cases)("$about: shown as pydicom shows it", ({ file: hex, frame, width, height, rgb }) => {
  const found = drawn(hexToBytes(hex), { frame });
  expect(found).toMatchObject({ width, height });
  expect(found.rgba).toHaveLength(4 * width * height);
  hexToBytes(rgb).forEach((expected, i) => {
    const value = found.rgba[4 * Math.floor(i / 3) + (i % 3)] ?? -1;
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(1);
  });
  expect(found.rgba.filter((_, i) => i % 4 === 3).every((alpha) => alpha === 255)).toBe(true);
});

test.each(vectors.jpegs)("a JPEG file of $frames frames is handed on for the browser to decode", ({ file: hex, frames, jpeg }) => {
  expect(drawSlice(hexToBytes(hex), { frame: frames - 1 })).toEqual({
    kind: "jpeg", width: 7, height: 5, frames, jpeg: hexToBytes(jpeg),
  });
});

describe("the window", () => {
  test("is the file's, the one asked for, or the whole range of the picture", () => {
    expect(drawn(plain)).toMatchObject({ center: 40, windowWidth: 400 });
    expect(drawn(plain, { center: 1000, width: 20_000 })).toMatchObject({ center: 1000, windowWidth: 20_000 });
    const whole = drawn(file("signed 12 bit"), { width: 0 });
    expect(whole.center).not.toBe(0);
    expect(new Set(whole.rgba)).toContain(0);
    expect(new Set(whole.rgba)).toContain(255);
  });

  test("asked for wider shows less contrast, and a level higher is darker", () => {
    const sum = (found: Drawn): number => found.rgba.reduce((total, value) => total + value, 0);
    expect(sum(drawn(plain, { center: 60_000, width: 2000 }))).toBeLessThan(sum(drawn(plain, { center: 100, width: 2000 })));
  });

  test("of a width of 1 or numbers out of bounds draws black and white, and fails no other way", () => {
    fc.assert(fc.property(fc.double(), fc.double(), (center, width) => {
      try {
        expect(drawn(plain, { center, width }).rgba).toHaveLength(140);
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidFile);
      }
    }), { numRuns: 20 });
    expect(new Set(drawn(plain, { center: 20_000, width: 1 }).rgba)).toEqual(new Set([0, 255]));
  });
});

/** A file of explicit elements, little end first, from [group, element, type, value]. */
type Element = readonly [number, number, string, Uint8Array | string | number];
const bytes16 = (value: number): Uint8Array => Uint8Array.of(value & 255, value >> 8);
const bytes32 = (value: number): Uint8Array => concatBytes(bytes16(value & 0xffff), bytes16(value >>> 16));
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const element = ([group, number, type, value]: Element): Uint8Array => {
  const data = typeof value === "number" ? bytes16(value) : typeof value === "string" ? ascii(value) : value;
  const long = ["OB", "OW", "SQ", "UN", "UT"].includes(type);
  return concatBytes(bytes16(group), bytes16(number), ascii(type), ...(long ? [bytes16(0), bytes32(data.length)] : [bytes16(data.length)]), data);
};
const start = (syntax = "1.2.840.10008.1.2.1\0"): Uint8Array => concatBytes(new Uint8Array(128), ascii("DICM"), element([2, 0x10, "UI", syntax]));
const picture = (change: Record<number, string | number> = {}, pixels: Uint8Array = new Uint8Array(4)): readonly Element[] => [
  [0x28, 2, "US", change[2] ?? 1], [0x28, 4, "CS", change[4] ?? "MONOCHROME2 "], [0x28, 8, "IS", change[8] ?? "1 "], [0x28, 0x10, "US", change[0x10] ?? 2],
  [0x28, 0x11, "US", change[0x11] ?? 2], [0x28, 0x100, "US", change[0x100] ?? 8], [0x28, 0x101, "US", change[0x101] ?? 8],
  [0x28, 0x102, "US", change[0x102] ?? 7], [0x28, 0x103, "US", 0], [0x28, 0x1053, "DS", change[0x1053] ?? "1 "], [0x7fe0, 0x10, "OB", pixels],
];
const made = (elements: readonly Element[], head = start()): Uint8Array => concatBytes(head, ...elements.map(element));

describe("a file that cannot be shown says so", () => {
  test("while the straight one is drawn", () => {
    expect(drawn(made(picture()))).toMatchObject({ width: 2, height: 2, frames: 1 });
  });

  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array()],
    ["no DICOM", ascii("# A case\n".repeat(50))],
    ["no picture", made([])],
    ["no pixels", made(picture().slice(0, -1))],
    ["fewer pixels than it says", made(picture({}, new Uint8Array(2)))],
    ["no rows", made(picture({ 0x10: 0 }))],
    ["a picture that is too large", made(picture({ 0x10: 65535, 0x11: 65535 }))],
    ["no frames", made(picture({ 8: "0 " }))],
    ["half a frame", made(picture({ 8: "1.5 " }))],
    ["too many frames", made(picture({ 8: "99999 " }))],
    ["one bit", made(picture({ 0x100: 1 }))],
    ["32 bits", made(picture({ 0x100: 32 }))],
    ["more bits stored than there are", made(picture({ 0x101: 9, 0x102: 8 }))],
    ["bits in the middle", made(picture({ 0x101: 4 }))],
    ["two samples", made(picture({ 2: 2 }))],
    ["colour without three samples", made(picture({ 4: "RGB " }))],
    ["a number that is none", made(picture({ 0x1053: "two " }))],
    ["a slope that is too large", made(picture({ 0x1053: "1e999 " }))],
    ["a compression it does not know", made(picture(), start("1.2.840.10008.1.2.4.90"))],
    ["a compression it does not name", made(picture(), concatBytes(new Uint8Array(128), ascii("DICM")))],
    ["a compression without fragments", made(picture(), start("1.2.840.10008.1.2.5\0"))],
    ["elements out of order, so that two pictures could be in it", made([...picture(), ...picture()].toSpliced(10, 1))],
    ["a type that is none", concatBytes(start(), bytes16(0x28), bytes16(2), ascii("u1"), bytes16(0))],
    ["a length beyond its end", concatBytes(start(), bytes16(0x28), bytes16(2), ascii("US"), bytes16(500))],
  ])("%s", (_, wrong) => {
    expect(() => drawSlice(wrong)).toThrow(InvalidFile);
  });

  const jpeg = (rows: number, frames = "1 "): Uint8Array =>
    concatBytes(made(picture({ 0x10: rows, 0x11: rows, 8: frames }).slice(0, -1), start("1.2.840.10008.1.2.4.50")), pixels());
  const pixels = (...pieces: readonly Uint8Array[]): Uint8Array => concatBytes(
    bytes16(0x7fe0), bytes16(0x10), ascii("OB"), bytes16(0), Uint8Array.of(255, 255, 255, 255),
    ...[new Uint8Array(), ...pieces].map((piece) => concatBytes(bytes16(0xfffe), bytes16(0xe000), bytes32(piece.length), piece)),
    bytes16(0xfffe), bytes16(0xe0dd), bytes32(0),
  );

  test.each<[string, Uint8Array, RegExp]>([
    ["no DICOM", ascii("# A case\n".repeat(50)), /no DICOM file/],
    ["a JPEG that is too large", jpeg(65535), /too large/],
    ["a JPEG of nothing", jpeg(2), /no pixels/],
    ["frames in pieces that cannot be told apart", jpeg(2, "2 "), /cut in pieces/],
    ["fragments that no compression is named for", concatBytes(made(picture().slice(0, -1)), pixels(new Uint8Array(4))), /how its pixels/],
    ["no description", made(picture().filter(([, element]) => element !== 0x10)), /does not describe/],
    ["a number that is none", made(picture({ 0x1053: "0x10" })), /A number in the DICOM file/],
    ["a type that is none", concatBytes(start(), bytes16(0x28), bytes16(2), ascii("u1"), bytes16(2), bytes16(1), made(picture().slice(1)).subarray(start().length)), /damaged/],
  ])("for the reason: %s", (_, wrong, said) => {
    expect(() => drawSlice(wrong)).toThrow(said);
  });

  test.each([-1, 1, 0.5, NaN])("a frame that is not there: %d", (frame) => {
    expect(() => drawSlice(plain, { frame })).toThrow(InvalidFile);
  });

  test("sequences are passed over, however deep, up to a limit", () => {
    const undefinedLength = Uint8Array.of(255, 255, 255, 255);
    const nested = (depth: number): Uint8Array => depth === 0 ? new Uint8Array() : concatBytes(
      bytes16(8), bytes16(0x1140), ascii("SQ"), bytes16(0), undefinedLength, bytes16(0xfffe), bytes16(0xe000), undefinedLength,
      nested(depth - 1), bytes16(0xfffe), bytes16(0xe00d), bytes32(0), bytes16(0xfffe), bytes16(0xe0dd), bytes32(0),
    );
    const rest = concatBytes(...picture().map(element));
    expect(drawn(concatBytes(start(), nested(20), rest)).width).toBe(2);
    expect(() => drawSlice(concatBytes(start(), nested(2000), rest))).toThrow(InvalidFile);
    const unknown = concatBytes(
      bytes16(9), bytes16(0x1010), ascii("UN"), bytes16(0), undefinedLength, bytes16(0xfffe), bytes16(0xe000), undefinedLength,
      bytes16(8), bytes16(0x100), bytes32(2), ascii("ab"), bytes16(0xfffe), bytes16(0xe00d), bytes32(0), bytes16(0xfffe), bytes16(0xe0dd), bytes32(0),
    );
    expect(drawn(concatBytes(start(), unknown, rest)).width).toBe(2);
  });

  test("run lengths that say too little, too much or nonsense are refused", () => {
    const packed = (head: readonly number[], data: Uint8Array): Uint8Array => {
      const body = concatBytes(...head.map(bytes32), new Uint8Array(64 - 4 * head.length), data);
      const undefinedLength = Uint8Array.of(255, 255, 255, 255);
      const items = concatBytes(bytes16(0xfffe), bytes16(0xe000), bytes32(0), bytes16(0xfffe), bytes16(0xe000), bytes32(body.length), body, bytes16(0xfffe), bytes16(0xe0dd), bytes32(0));
      return concatBytes(made(picture().slice(0, -1), start("1.2.840.10008.1.2.5\0")), bytes16(0x7fe0), bytes16(0x10), ascii("OB"), bytes16(0), undefinedLength, items);
    };
    expect(drawn(packed([1, 64], Uint8Array.of(253, 7))).width).toBe(2);
    expect(drawn(packed([1, 64], Uint8Array.of(0, 1, 128, 2, 5, 6, 7))).width).toBe(2);
    for (const [head, data] of [
      [[2, 64], [253, 7]], [[1, 60], [253, 7]], [[1, 6400], [253, 7]], [[1, 64], [254, 7]], [[1, 64], [3, 1]], [[1, 64], [253]], [[0], [253, 7]],
    ] as const) {
      expect(() => drawSlice(packed(head, Uint8Array.from(data)))).toThrow(InvalidFile);
    }
  });
});

describe("rubbish is refused or drawn, and fails no other way", () => {
  const survives = (bytes: Uint8Array): void => {
    try {
      drawSlice(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidFile);
    }
  };

  test("anything behind the right start", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (rest) => survives(concatBytes(start(), rest))), { numRuns: 150 });
  });

  test.each(vectors.cases.map(({ about, file: hex }) => [about, hexToBytes(hex)] as const))("%s with bytes changed, or cut short", (_, whole) => {
    const spot = fc.tuple(fc.integer({ min: 132, max: whole.length - 1 }), fc.nat(255));
    fc.assert(fc.property(fc.array(spot, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: whole.length }), (changes, size) => {
      const changed = whole.slice();
      for (const [at, value] of changes) changed[at] = value;
      survives(changed);
      survives(changed.slice(0, size));
    }), { numRuns: 15 });
  });
});
