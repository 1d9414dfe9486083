import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The interval between two runs of a scheduled backup. */
export type Every = "hour" | "day";

/** A command to run, and when to run it. */
export interface Schedule {
  /** The backup's name. */
  name: string;
  /** The command line. */
  command: readonly string[];
  /** The interval. */
  every: Every;
  /** The hour of the day, from 0 to 23; unused if `every` is `hour`. */
  hour: number;
  /** The minute of the hour, from 0 to 59. */
  minute: number;
  /** The user's home folder. */
  home: string;
}

/**
 * The text of each file to write, by path, and the command that enables the
 * schedule after the files are written.
 */
export interface ScheduleFiles {
  files: Record<string, string>;
  next: string;
}

/** A schedule that was found on the disk. */
export interface WrittenSchedule {
  /** The backup's name. */
  name: string;
  /** The path of the file that contains the time of the backup. */
  file: string;
  /**
   * The paths of all files of the schedule, and of the link that enables it, if
   * there is one.
   */
  files: string[];
  /** The times of the backup in words, such as `every day at 12:30`. */
  when: string;
  /** Whether the schedule is enabled; absent if unknown. */
  isEnabled?: boolean;
  /** The command that stops the schedule after its files are deleted. */
  forget: string;
}

/** A scheduler of an operating system. */
interface Scheduler {
  /**
   * Called with a schedule. Returns the files to write and the command that
   * enables the schedule.
   */
  write: (schedule: Schedule) => ScheduleFiles;
  /** Called with the user's home folder. Returns the folder for the files. */
  folder: (home: string) => string;
  /**
   * The pattern that matches the name of a file with the time of a backup. The
   * pattern captures the backup's name.
   */
  file: RegExp;
  /**
   * Called with the name of a backup, and with the path and the text of the
   * file that contains the backup's time. Returns the schedule.
   */
  read: (name: string, file: string, text: string) => WrittenSchedule;
}

/**
 * Returns the schedules of a user, sorted by file name.
 *
 * @param system The operating system: a key of `SYSTEMS`.
 * @param home The user's home folder.
 */
export function writtenSchedules(
  system: string,
  home: string,
): WrittenSchedule[] {
  const { folder, file, read } = SYSTEMS[system];
  const place = folder(home);
  const names = existsSync(place) ? readdirSync(place).sort() : [];
  return names.flatMap((entry) => {
    const [, name] = file.exec(entry) ?? [];
    if (name === undefined) return [];
    const path = join(place, entry);
    return [read(name, path, readFileSync(path, "utf8"))];
  });
}

/**
 * Returns the times of a backup in words.
 *
 * @param hour The hour of the day in digits, or `undefined` for every hour.
 * @param minute The minute of the hour in digits.
 */
function whenWords(hour: string | undefined, minute = "0"): string {
  const minutes = minute.padStart(2, "0");
  return hour === undefined
    ? `every hour at :${minutes}`
    : `every day at ${hour.padStart(2, "0")}:${minutes}`;
}

const two = (value: number) => String(value).padStart(2, "0");

/**
 * Returns the files of a systemd user timer and of its service
 * (systemd.timer(5), systemd.service(5)).
 */
function systemd(schedule: Schedule): ScheduleFiles {
  const { name, command, every, hour, minute, home } = schedule;
  const folder = join(home, ".config/systemd/user");
  // systemd expands % and $ even within quotes, unless they are doubled.
  const quoted = command.map((word) =>
    `"${word.replaceAll(/[\\"]/g, "\\$&").replaceAll(/[%$]/g, "$&$&")}"`
  );
  const when = every === "day"
    ? `${two(hour)}:${two(minute)}`
    : `*:${two(minute)}`;
  const unit = `deltar-${name}`;
  return {
    files: {
      [join(folder, `${unit}.service`)]: `[Unit]
Description=deltar backup ${name}

[Service]
Type=oneshot
Nice=10
IOSchedulingClass=idle
# Credentials for a repository on S3, if any.
EnvironmentFile=-%h/.config/deltar/environment
# 3 means that some files could not be read; the journal names them.
SuccessExitStatus=3
ExecStart=${quoted.join(" ")}
`,
      [join(folder, `${unit}.timer`)]: `[Unit]
Description=deltar backup ${name}, every ${every}

[Timer]
OnCalendar=${every === "day" ? "*-*-* " : ""}${when}
RandomizedDelaySec=2min
Persistent=true

[Install]
WantedBy=timers.target
`,
    },
    next: `systemctl --user daemon-reload && ` +
      `systemctl --user enable --now ${unit}.timer`,
  };
}

/** Returns the property list of a launchd user agent (launchd.plist(5)). */
function launchd(schedule: Schedule): ScheduleFiles {
  const { name, command, every, hour, minute, home } = schedule;
  const label = `deltar.backup.${name}`;
  const file = join(home, "Library/LaunchAgents", `${label}.plist`);
  const log = xml(join(home, "Library/Logs", `deltar-${name}.log`));
  const integer = (key: string, value: number) =>
    `    <key>${key}</key>\n    <integer>${value}</integer>\n`;
  return {
    files: {
      [file]: `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${xml(label)}</string>
  <key>ProgramArguments</key>
  <array>
${command.map((word) => `    <string>${xml(word)}</string>`).join("\n")}
  </array>
  <key>StartCalendarInterval</key>
  <dict>
${every === "day" ? integer("Hour", hour) : ""}${
        integer("Minute", minute)
      }  </dict>
  <key>StandardOutPath</key>
  <string>${log}</string>
  <key>StandardErrorPath</key>
  <string>${log}</string>
  <key>LowPriorityIO</key>
  <true/>
  <key>Nice</key>
  <integer>10</integer>
</dict>
</plist>
`,
    },
    next: `launchctl bootstrap gui/$(id -u) ${file}`,
  };
}

/**
 * Returns the file of a task for the Windows Task Scheduler, in version 1.2 of
 * its XML schema.
 */
function windows(schedule: Schedule): ScheduleFiles {
  const { name, command, every, hour, minute, home } = schedule;
  const [program, ...words] = command;
  // The words are quoted for CommandLineToArgvW, which splits the line back
  // into words.
  const quoted = words.map((word) =>
    `"${word.replaceAll(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1")}"`
  );
  const file = join(home, `deltar-${name}.xml`);
  const start = `2026-01-01T${two(every === "day" ? hour : 0)}:${
    two(minute)
  }:00`;
  const repetition = every === "hour"
    ? "\n      <Repetition>\n        <Interval>PT1H</Interval>\n      </Repetition>"
    : "";
  return {
    files: {
      [file]: `<?xml version="1.0"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>deltar backup ${xml(name)}</Description>
  </RegistrationInfo>
  <Triggers>
    <CalendarTrigger>
      <StartBoundary>${start}</StartBoundary>${repetition}
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Settings>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
  </Settings>
  <Actions>
    <Exec>
      <Command>${xml(program)}</Command>
      <Arguments>${xml(quoted.join(" "))}</Arguments>
    </Exec>
  </Actions>
</Task>
`,
    },
    next: `schtasks /create /tn "deltar ${name}" /xml "${file}"`,
  };
}

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** The schedulers, by operating system (a value of `process.platform`). */
export const SYSTEMS: Readonly<Record<string, Scheduler>> = {
  linux: {
    write: systemd,
    folder: (home) => join(home, ".config/systemd/user"),
    file: /^deltar-([\w.-]+)\.timer$/,
    read(name, file, text) {
      const [, hour, minute] = /^OnCalendar=.*?(\d+|\*):(\d+)$/m.exec(text) ??
        [];
      const link = join(dirname(file), "timers.target.wants", basename(file));
      const isEnabled = lstatSync(link, { throwIfNoEntry: false }) !==
        undefined;
      const unit = `deltar-${name}`;
      return {
        name,
        file,
        files: [
          file,
          join(dirname(file), `${unit}.service`),
          ...isEnabled ? [link] : [],
        ],
        when: whenWords(hour === "*" ? undefined : hour, minute),
        isEnabled,
        forget: `systemctl --user stop ${unit}.timer; ` +
          "systemctl --user daemon-reload",
      };
    },
  },
  darwin: {
    write: launchd,
    folder: (home) => join(home, "Library/LaunchAgents"),
    file: /^deltar\.backup\.([\w.-]+)\.plist$/,
    read(name, file, text) {
      const valueOf = (key: string) =>
        new RegExp(`<key>${key}</key>\\s*<integer>(\\d+)<`).exec(text)?.[1];
      return {
        name,
        file,
        files: [file],
        when: whenWords(valueOf("Hour"), valueOf("Minute")),
        forget: `launchctl bootout gui/$(id -u)/deltar.backup.${name}`,
      };
    },
  },
  win32: {
    write: windows,
    folder: (home) => home,
    file: /^deltar-([\w.-]+)\.xml$/,
    read(name, file, text) {
      const [, hour, minute] =
        /<StartBoundary>[^<]*T(\d\d):(\d\d)/.exec(text) ?? [];
      const isHourly = text.includes("<Interval>PT1H</Interval>");
      return {
        name,
        file,
        files: [file],
        when: whenWords(isHourly ? undefined : hour, minute),
        forget: `schtasks /delete /tn "deltar ${name}" /f`,
      };
    },
  },
};
