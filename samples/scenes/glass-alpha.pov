// Glass, cut out: an amber bottle, a marble and a feathered leaf on nothing at all; render with +UA.
#version 3.7;
#include "turned.inc"
global_settings { assumed_gamma 1.0 max_trace_level 8 adc_bailout 1/60 }
#default { finish { ambient 0 diffuse .75 } }
camera { location <0, 2.6, -11> look_at <.18, 1.62, 0> right x*333/251 up y angle 27
  aperture .34 focal_point <0, 1.2, -1> blur_samples 19, 61 confidence .9 variance 1/2500 }
light_source { <-9, 11, -8> srgb <1, .96, .9>*1.3 area_light x*3, y*3, 4, 4 adaptive 0 jitter circular orient }
light_source { <9, 6, 6> srgb <.6, .75, 1>*.7 }
light_source { <0, 2, -20> srgb .25 shadowless }
// Soft boxes, seen only in reflections.
#macro Box(P, Turn, W, H, V) box { <-W, -H, 0>, <W, H, .01> pigment { srgb 1 } finish { emission V diffuse 0 } rotate y*Turn translate P no_image no_shadow } #end
Box(<-7, 5, -3>, -68, 1.6, 3, 2.2)
Box(<7, 4, -1>, 80, .7, 3.2, 1.3)

// Bottle.
#declare Tint = srgb <1, .58, .08>;
union {
  difference {
    object { Turned(array[13] { <0, .08>, <.60, .03>, <.92, .05>, <1.02, .22>, <1.02, .9>, <1.0, 1.75>, <.86, 2.2>, <.42, 2.55>, <.33, 2.8>, <.33, 3.05>, <.42, 3.09>, <.40, 3.22>, <0, 3.23> }, 60, 64) }
    object { Turned(array[9] { <0, .22>, <.8, .2>, <.92, .32>, <.92, 1.7>, <.78, 2.12>, <.33, 2.5>, <.24, 2.8>, <.24, 3.4>, <0, 3.5> }, 45, 64) }
    pigment { Tint filter .40 transmit .56 }
    finish { diffuse .5 specular .7 roughness .003 reflection { .02, .9 fresnel on } conserve_energy }
    interior { ior 1.5 }
  }
  // Cork.
  cone { y*2.78, .235, y*3.52, .29
    pigment { granite color_map { [0 srgb <.46, .30, .18>] [.5 srgb <.72, .54, .36>] [1 srgb <.80, .64, .46>] } scale .3 }
    normal { granite .4 scale .1 } }
  // Label.
  difference {
    cylinder { y*.62, y*1.52, 1.035 } cylinder { 0, y*2, 1.028 } plane { -z, -.1 }
    pigment { bozo turbulence .6 color_map { [0 srgb <.90, .86, .76>] [1 srgb <.95, .92, .85>] } scale .5 } }
  intersection {
    union {
      #macro Word(T, S, Y) #local A = text { ttf "timrom.ttf" T 3, 0 }; #local B = max_extent(A); object { A translate <-B.x/2, 0, -2.5> scale <S, S, 1> translate y*Y } #end
      Word("No. 4", .34, 1.14) Word("HONEY", .36, .80)
      box { <-.62, 1.07, -3>, <.62, 1.085, 0> } box { <-.62, .70, -3>, <.62, .715, 0> } box { <-.62, 1.45, -3>, <.62, 1.465, 0> }
      translate -z*.4 }
    difference { cylinder { y*.62, y*1.52, 1.040 } cylinder { 0, y*2, 1.03 } }
    pigment { srgb <.20, .10, .05> } }
  rotate y*8 translate <-.75, 0, .2>
}

// Marble with a twist inside.
union {
  sphere { 0, .62
    pigment { srgb <.92, .98, .97> filter .35 transmit .55 }
    finish { diffuse .04 specular .8 roughness .002 reflection { .02, 1 fresnel on } conserve_energy }
    interior { ior 1.3 } }
  #for (K, 0, 2) #for (I, 0, 60)
    #local T = I/60*2 - 1;
    sphere { vrotate(<.27*sqrt(max(0, 1 - T*T)), .52*T, 0>, y*(200*T + 120*K)), .075*sqrt(max(.02, 1 - T*T*.9))
      pigment { #switch (K) #case (0) srgb <.85, .13, .12> #break #case (1) srgb <.10, .35, .75> #break #else srgb <.96, .80, .2> #end } finish { diffuse .8 specular .2 } }
  #end #end
  rotate <20, 15, -35> translate <1.25, .62, -1.15>
}

// Feather: fine barbs, blurred where they leave the plane of focus.
#declare R = seed(6);
union {
  #for (I, 0, 170)
    #local T = I/170;
    #local P = <0, 3.3*T, .30*T*T>;
    #local L = .62*pow(sin(pi*min(1, .06 + .94*T)), .55)*(1 - .25*T);
    #for (K, -1, 1, 2)
      #local Q = P + <K*L*.82, L*(.62 + .1*rand(R)), -.10*L + .03*rand(R)>;
      cone { P, .011, Q, .004
        pigment { gradient x*K color_map { [0 srgb <.93, .95, .98>] [.4 srgb <.45, .62, .80>] [1 srgb <.10, .22, .42>] } scale .62 } finish { diffuse .75 specular .15 } }
    #end
    #if (I < 170) sphere { P, .03*(1 - .7*T) pigment { srgb <.9, .86, .76> } } #end
  #end
  cone { -y*.75, .022, y*.02, .03 pigment { srgb <.92, .88, .78> } }
  rotate z*-34 rotate y*-8 translate <.75, .65, 1.5>
}
