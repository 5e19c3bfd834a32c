// The ringtone. Browsers allow sound only after the person has used the page, so it is silent before.

const PAUSE = 2400;
const NOTES = [659.3, 784, 987.8, 784, 659.3, 784, 987.8];

export class Ringer {
  audible = true;
  #audio = null;
  #timer = 0;

  start() {
    this.#ring();
    this.#timer = setInterval(() => this.#ring(), PAUSE);
  }

  stop() {
    clearInterval(this.#timer);
    this.#audio?.close();
    this.#audio = null;
  }

  #ring() {
    if (!this.audible || !navigator.userActivation?.hasBeenActive) return;
    this.#audio ??= new AudioContext();
    NOTES.forEach((pitch, place) => this.#note(pitch, this.#audio.currentTime + place * 0.13));
  }

  #note(pitch, at) {
    const bell = this.#audio.createOscillator();
    const loudness = this.#audio.createGain();
    bell.type = "triangle";
    bell.frequency.value = pitch;
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(0.12, at + 0.01);
    loudness.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
    bell.connect(loudness).connect(this.#audio.destination);
    bell.start(at);
    bell.stop(at + 0.42);
  }
}
