/** The elements of a DICOM file (PS3.5 and PS3.10): where each value is, within limits. What is inside sequences is passed over. */

import { InvalidFile } from "./errors.ts";

const MAX_FILE = 512 * 2 ** 20;
const MAX_ELEMENTS = 100_000;
const MAX_DEPTH = 32;
const UNDEFINED = 0xffffffff;
const ITEM = "fffee000";
const END_OF_ITEM = "fffee00d";
const END_OF_SEQUENCE = "fffee0dd";
const PIXELS = "7fe00010";
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);

const IMPLICIT = "1.2.840.10008.1.2";
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const KNOWN = new Set([
  IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN, "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50",
]);

/** The value of an element; of undefined length for what is in fragments. */
export interface Value {
  readonly data: Uint8Array;
  readonly undefinedLength: boolean;
}

/** The elements of a file by tag: eight lower-case hex digits, group and element. */
export class Elements {
  readonly syntax: string;
  readonly littleEndian: boolean;
  readonly #values: ReadonlyMap<string, Value>;

  constructor(syntax: string, values: ReadonlyMap<string, Value>) {
    this.syntax = syntax;
    this.littleEndian = syntax !== BIG_ENDIAN;
    this.#values = values;
  }

  /** The bytes of a value; none when it is not there. */
  bytes(tag: string): Uint8Array {
    return this.#values.get(tag)?.data ?? new Uint8Array();
  }

  /** A value as text, without its filler. */
  text(tag: string): string {
    return textOf(this.bytes(tag));
  }

  /** A value as 16-bit numbers. */
  numbers(tag: string): readonly number[] {
    const data = this.bytes(tag);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return Array.from({ length: Math.min(data.length >> 1, 16) }, (_, i) => view.getUint16(2 * i, this.littleEndian));
  }

  /** A value as one 16-bit number. Throws InvalidFile when it is not there and there is no default. */
  number(tag: string, otherwise?: number): number {
    const found = this.numbers(tag)[0] ?? otherwise;
    if (found === undefined) throw new InvalidFile("The DICOM file does not describe its picture.");
    return found;
  }

  /** A value as decimal texts (PS3.5, DS and IS); empty when it is not there. Throws InvalidFile for what is no number. */
  decimals(tag: string): readonly number[] {
    const found = this.text(tag);
    if (found === "") return [];
    return found.split("\\").slice(0, 16).map((text) => {
      if (!/^ *[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})? *$/.test(text)) throw new InvalidFile("A number in the DICOM file is damaged.");
      return Number(text);
    });
  }

  /** The pixels as they are in the file. Throws InvalidFile when there are none. */
  pixels(): Value {
    const found = this.#values.get(PIXELS);
    if (found === undefined) throw new InvalidFile("The DICOM file has no pixels.");
    return found;
  }
}

/**
 * Read the elements of a DICOM file.
 *
 * @throws InvalidFile it is none, damaged, too large, or compressed in a way that this page does not know.
 */
export function readElements(file: Uint8Array): Elements {
  if (file.length > MAX_FILE) throw new InvalidFile("The DICOM file is too large to be shown here.");
  if (textOf(file.subarray(128, 132)) !== "DICM") throw new InvalidFile("The file is no DICOM file.");
  const reader = new Reader(file, 132);
  const meta = reader.elements("0002");
  const syntax = textOf(meta.get("00020010")?.data ?? new Uint8Array());
  if (!KNOWN.has(syntax)) {
    throw new InvalidFile("The pixels of this DICOM file are compressed in a way that this page does not know.");
  }
  reader.explicit = syntax !== IMPLICIT;
  reader.littleEndian = syntax !== BIG_ENDIAN;
  return new Elements(syntax, reader.elements());
}

/** The fragments of encapsulated pixels, the offset table first (PS3.5, A.4). Throws InvalidFile. */
export function fragments({ data, undefinedLength }: Value, littleEndian: boolean): readonly Uint8Array[] {
  if (!undefinedLength) throw new InvalidFile("The compressed pixels of the DICOM file are damaged.");
  const reader = new Reader(data, 0);
  reader.littleEndian = littleEndian;
  return reader.items();
}

/** Bytes as ASCII text without the spaces and zeros that fill it. */
function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 1024)).replace(/[\0 ]+$/, "").trimStart();
}

class Reader {
  explicit = true;
  littleEndian = true;
  #at: number;
  #left = MAX_ELEMENTS;
  readonly #data: Uint8Array;
  readonly #view: DataView;

  constructor(data: Uint8Array, at: number) {
    this.#data = data;
    this.#view = new DataView(data.buffer, data.byteOffset, data.length);
    this.#at = at;
  }

  /** Elements up to the end, or up to the first of another group. */
  elements(group?: string): ReadonlyMap<string, Value> {
    const found = new Map<string, Value>();
    let last = "";
    while (this.#at < this.#data.length) {
      const [start, tag] = [this.#at, this.#tag()];
      if (group !== undefined && !tag.startsWith(group)) {
        this.#at = start;
        break;
      }
      // Tags only grow (PS3.5, 7.1): a second picture behind the first would be another than the one other programs show.
      if (tag <= last) throw damaged();
      last = tag;
      found.set(tag, this.#value(tag));
      if (tag === PIXELS) break;
    }
    return found;
  }

  /** Items of defined length up to the end of the sequence. */
  items(): readonly Uint8Array[] {
    const found: Uint8Array[] = [];
    while (this.#at < this.#data.length) {
      const [tag, size] = [this.#tag(), this.#uint32()];
      if (tag === END_OF_SEQUENCE) return found;
      if (tag !== ITEM || size === UNDEFINED) throw damaged();
      found.push(this.#take(size));
    }
    throw damaged();
  }

  #value(tag: string): Value {
    const { size, unknown } = this.#header();
    if (size !== UNDEFINED) return { data: this.#take(size), undefinedLength: false };
    const start = this.#at;
    if (tag === PIXELS) {
      this.items();
    } else {
      // What is unknown and of undefined length is written without types (PS3.5, 6.2.2).
      const { explicit } = this;
      if (unknown) this.explicit = false;
      this.#skip(0);
      this.explicit = explicit;
    }
    return { data: this.#data.subarray(start, this.#at), undefinedLength: true };
  }

  /** Pass over the items of a sequence of undefined length. */
  #skip(depth: number): void {
    if (depth > MAX_DEPTH) throw damaged();
    for (;;) {
      const [tag, size] = [this.#tag(), this.#uint32()];
      if (tag === END_OF_SEQUENCE) return;
      if (tag !== ITEM) throw damaged();
      if (size === UNDEFINED) this.#skipItem(depth);
      else this.#take(size);
    }
  }

  #skipItem(depth: number): void {
    for (;;) {
      const tag = this.#tag();
      if (tag === END_OF_ITEM) {
        this.#uint32();
        return;
      }
      const { size } = this.#header();
      if (size === UNDEFINED) this.#skip(depth + 1);
      else this.#take(size);
    }
  }

  #header(): { size: number; unknown: boolean } {
    if (--this.#left < 0) throw new InvalidFile("The DICOM file has too many parts.");
    if (!this.explicit) return { size: this.#uint32(), unknown: false };
    const kind = String.fromCharCode(...this.#take(2));
    if (!/^[A-Z]{2}$/.test(kind)) throw damaged();
    if (!LONG.has(kind)) return { size: this.#uint16(), unknown: false };
    this.#take(2);
    return { size: this.#uint32(), unknown: kind === "UN" };
  }

  #tag(): string {
    const group = this.#uint16();
    const element = this.#uint16();
    return group.toString(16).padStart(4, "0") + element.toString(16).padStart(4, "0");
  }

  #uint16(): number {
    return this.#number(2, (at) => this.#view.getUint16(at, this.littleEndian));
  }

  #uint32(): number {
    return this.#number(4, (at) => this.#view.getUint32(at, this.littleEndian));
  }

  #number(size: number, read: (at: number) => number): number {
    const at = this.#at;
    this.#take(size);
    return read(at);
  }

  #take(size: number): Uint8Array {
    const end = this.#at + size;
    if (end > this.#data.length) throw damaged();
    const found = this.#data.subarray(this.#at, end);
    this.#at = end;
    return found;
  }
}

function damaged(): InvalidFile {
  return new InvalidFile("The DICOM file is damaged.");
}
