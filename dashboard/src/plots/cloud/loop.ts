/**
 * Draws a cloud frame by frame: while the view moves a beginning of the order, a fair sample; at rest the rest of it, a
 * part a frame, so that the page answers between them. How much is drawn at once follows what the machine can do.
 */
import type { CloudPainter } from "./painter";
import type { Window } from "./window";

/** Nothing moved for so long: the view is at rest. */
const REST_MS = 120;
const LEAST = 10_000;

/** How many points make a part: fewer where the last took longer than `slow`, more where it took less than `fast`. */
class Pace {
  size: number;
  private readonly fast: number;
  private readonly slow: number;

  constructor(size: number, fast: number, slow: number) {
    this.size = size;
    this.fast = fast;
    this.slow = slow;
  }

  learn(took: number): void {
    if (took > this.slow) this.size = Math.max(LEAST, Math.round(this.size / 1.6));
    else if (took < this.fast) this.size = Math.round(this.size * 1.5);
  }
}

export interface Clock {
  now(): number;
  request(callback: () => void): number;
  cancel(handle: number): void;
}

export class CloudLoop {
  private readonly painter: CloudPainter;
  private readonly clock: Clock;
  private readonly onDrawn: (points: number) => void;
  private window: Window;
  private count = 0;
  private next = 0;
  /** While the view moves the page must answer at once; at rest nobody waits for a frame, but for the whole. */
  private readonly moving = new Pace(40_000, 24, 60);
  private readonly resting = new Pace(100_000, 80, 160);
  private pace = this.moving;
  private moved = true;
  private movedAt = 0;
  private startedAt = 0;
  private isWaiting = false;
  private handle = 0;

  /** `onDrawn` hears how many points are on the screen, at the end of each part. */
  constructor(painter: CloudPainter, window: Window, clock: Clock, onDrawn: (points: number) => void) {
    this.painter = painter;
    this.window = window;
    this.clock = clock;
    this.onDrawn = onDrawn;
  }

  setCount(count: number): void {
    this.count = count;
    if (count === 0) this.painter.draw(this.window, 0, 0, true);
    this.redraw();
  }

  move(window: Window): void {
    this.window = window;
    this.redraw();
  }

  redraw(): void {
    this.moved = true;
    this.movedAt = this.clock.now();
    this.wake();
  }

  stop(): void {
    this.clock.cancel(this.handle);
    this.handle = 0;
    this.count = 0;
  }

  private wake(): void {
    if (this.handle === 0 && this.count > 0) this.handle = this.clock.request(() => this.frame());
  }

  private frame(): void {
    this.handle = 0;
    if (this.count === 0) return;
    if (this.isWaiting) {
      if (!this.painter.isIdle()) return this.wake();
      this.isWaiting = false;
      this.pace.learn(this.clock.now() - this.startedAt);
      this.onDrawn(this.next);
    }
    if (this.moved) this.draw(0, this.moving);
    else if (this.next < this.count && this.clock.now() - this.movedAt >= REST_MS) this.draw(this.next, this.resting);
    if (this.isWaiting || this.next < this.count) this.wake();
  }

  private draw(from: number, pace: Pace): void {
    this.startedAt = this.clock.now();
    this.pace = pace;
    this.next = Math.min(this.count, from + pace.size);
    this.painter.draw(this.window, from, this.next, from === 0);
    this.moved = false;
    this.isWaiting = true;
  }
}
