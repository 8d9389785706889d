#!/usr/bin/env node
// The Solidity compiler of the npm package `solc`, behaving like the native one towards py-solc-x: it answers
// `--version` and `--standard-json`, and prints nothing else. No compiler is downloaded.
"use strict";
const { readFileSync } = require("node:fs");

// Loading the compiler and running its SMT solver both print to stdout, which belongs to the answer.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
const solc = require("solc");

if (process.argv.includes("--version")) {
  const name = "solc, the solidity compiler commandline interface";
  write(`${name}\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  write(solc.compile(readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.cjs answers --version and --standard-json only\n");
  process.exitCode = 2;
}
