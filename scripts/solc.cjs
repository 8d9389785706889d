#!/usr/bin/env node
// The Solidity compiler of the npm package `solc`, behaving like the native one towards py-solc-x, forge and gambit: it
// answers `--version`, `--standard-json` and `--ast-compact-json`, and prints nothing else. No compiler is downloaded.
// Loading it takes half a second, so `--serve` stays: a request of `--standard-json` a line, an answer a line.
"use strict";
const { mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { basename, join } = require("node:path");
const { createInterface } = require("node:readline");

// Loading the compiler and running its SMT solver both print to stdout, which belongs to the answer.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
const solc = require("solc");

if (process.argv.includes("--version")) {
  const name = "solc, the solidity compiler commandline interface";
  write(`${name}\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  write(solc.compile(readFileSync(0, "utf8")));
} else if (process.argv.includes("--serve")) {
  process.stdout.on("error", () => process.exit(1)); // whoever asked has gone
  createInterface({ input: process.stdin }).on("line", (line) => write(`${solc.compile(line)}\n`));
} else if (process.argv.includes("--ast-compact-json")) {
  const file = process.argv[process.argv.indexOf("--ast-compact-json") + 1];
  const folder = process.argv[process.argv.indexOf("--output-dir") + 1];
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${basename(file)}_json.ast`), JSON.stringify(astOf(file)));
} else {
  process.stderr.write("solc.cjs answers --version, --standard-json, --serve and --ast-compact-json only\n");
  process.exitCode = 2;
}

// The syntax tree alone: parsing needs none of the files that are imported.
function astOf(file) {
  const sources = { [file]: { content: readFileSync(file, "utf8") } };
  const settings = { stopAfter: "parsing", outputSelection: { "*": { "": ["ast"] } } };
  return JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings }))).sources[file].ast;
}
