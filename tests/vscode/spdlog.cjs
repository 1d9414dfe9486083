// What VS Code writes its logs with has to be compiled, and is not in a test's
// installation: this writes the same lines into the same files.
const fs = require("node:fs");
const { dirname } = require("node:path");

const LEVELS = ["trace", "debug", "info", "warning", "error", "critical"];

class Logger {
  #file;
  #level = 0;
  #isBare = false;

  constructor(file) {
    this.#file = file;
    fs.mkdirSync(dirname(file), { recursive: true });
    fs.closeSync(fs.openSync(file, "a"));
  }

  setLevel(level) {
    this.#level = level;
  }

  clearFormatters() {
    this.#isBare = true;
  }

  setPattern() {}
  flush() {}
  drop() {}

  write(level, text) {
    if (level < this.#level) return;
    const time = new Date().toISOString().replace("T", " ").slice(0, -1);
    const head = this.#isBare ? "" : `${time} [${LEVELS[level]}] `;
    const end = this.#isBare ? "" : "\n";
    fs.appendFileSync(this.#file, head + text + end);
  }
}

for (const [level, name] of LEVELS.entries()) {
  Logger.prototype[name === "warning" ? "warn" : name] = function (text) {
    this.write(level, text);
  };
}

exports.setFlushOn = () => {};
exports.setLevel = () => {};
exports.createRotatingLogger = (_name, file) => new Logger(file);
exports.createAsyncRotatingLogger = (_name, file) => new Logger(file);
