// An extension that does nothing when it starts, at the same events as Deltar.
// The time that VS Code shows for it is the time that any extension waits for
// others. When it is loaded, it begins to measure the start of Deltar, which VS
// Code loads after it.

const Module = require("node:module");

/** Returns the processor time of this thread in milliseconds. */
function used() {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

const { load } = Module.prototype;
Module.prototype.load = function (file) {
  if (!file.endsWith("/dist/extension.cjs") || !file.includes("/deltar.")) {
    return load.call(this, file);
  }
  const before = used();
  load.call(this, file);
  const start = { load: used() - before };
  globalThis.startOfDeltar = start;
  const { activate } = this.exports;
  this.exports = {
    ...this.exports,
    activate(context) {
      const before = used();
      const result = activate(context);
      start.activate = used() - before;
      return result;
    },
  };
};

exports.activate = () => {};
