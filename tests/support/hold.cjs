// Opens a file on Windows so that no other program can open it, and writes a
// file that says so. Ends when this second file is deleted. Run by Bun.
const fs = require("node:fs");
const { dlopen } = require("bun:ffi");

const [, , file, sign] = process.argv;
const GENERIC_READ_WRITE = 0xC0000000;
const NOT_SHARED = 0;
const OPEN_EXISTING = 3;
const FILE_ATTRIBUTE_NORMAL = 0x80;
const { symbols } = dlopen("kernel32.dll", {
  CreateFileW: {
    args: ["ptr", "u32", "u32", "ptr", "u32", "u32", "ptr"],
    returns: "ptr",
  },
});
symbols.CreateFileW(
  Buffer.from(`${file}\0`, "utf16le"),
  GENERIC_READ_WRITE,
  NOT_SHARED,
  null,
  OPEN_EXISTING,
  FILE_ATTRIBUTE_NORMAL,
  null,
);
fs.writeFileSync(sign, "");
setInterval(() => {
  if (!fs.existsSync(sign)) process.exit();
}, 100);
